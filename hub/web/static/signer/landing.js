// The landing page of a link. The ticket is opened when the person taps, never when the page loads; then the code and the
// identity are asked for.

import {
  all, codeOf, hideTrouble, inThisLanguage, json, need, needKind, onAct, onTap, report, ticketHere,
} from './session.js';
import { bindAnswers } from './answer.js';
import { warnWhereNoKeyWorks } from './able.js';
import { offerApp } from './app.js';
import { bindCodes, bindIdentity, noteCode, sendNewCode } from './identity.js';

let opened = 'opened' in document.body.dataset;

/** @param {string} panel */
function show(panel) {
  for (const section of all('[data-panel]')) section.hidden = section.dataset.panel !== panel;
  need('[data-aside]').hidden = ['question', 'gone'].includes(panel);
  need(`[data-panel="${panel}"] h1`).focus();
}

export async function open() {
  if (opened) return;
  const answer = await json(inThisLanguage(), { body: { ticket: ticketHere() } });
  opened = true;
  need('[data-campus]').textContent = [answer.school, answer.campus].join(' · ');
}

/** Send a code. `wish`: how the person wants to get it. @type {SendCode} */
async function sendCode(wish = {}) {
  hideTrouble();
  try {
    await open();
    await sendNewCode(wish);
    noteCode(true);
    show('code');
    return true;
  } catch (error) {
    const code = codeOf(error);
    if (code === 'session-not-valid' && opened) { // the session has expired: the visitor has to come in again
      opened = false;
      return sendCode(wish);
    }
    if (code === 'too-soon' && opened) {
      noteCode(false);
      show('code');
    }
    if (code === 'link-not-valid') show('gone');
    else report(error, { retry: () => sendCode(wish) });
  }
  return false;
}

const begin = needKind(HTMLButtonElement, '[data-act="begin"]');
onTap(begin, () => sendCode());
begin.disabled = false; // an earlier tap would have been lost
const again = bindCodes(sendCode);
onAct('question', () => { hideTrouble(); show('question'); });
onAct('back', () => { hideTrouble(); show('start'); });
bindIdentity(() => { opened = false; show('start'); }, again);
offerApp();
bindAnswers(open);
if (!need('[data-panel="start"]').hidden) warnWhereNoKeyWorks(begin);
if (location.origin !== document.body.dataset.origin) {
  // A key is bound to one origin, so continue at that origin.
  location.replace(document.body.dataset.origin + location.pathname + location.search);
}
