// Landing: the ticket is opened on the person's tap, never on load; then the code, then who they are.

import {
  all, codeOf, hideTrouble, inThisLanguage, json, need, needKind, onAct, onTap, report, ticketHere,
} from './session.js';
import { bindAnswers } from './answer.js';
import { warnWhereNoKeyWorks } from './able.js';
import { offerApp } from './app.js';
import { bindCodes, bindIdentity, sendNewCode } from './identity.js';

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

/** `wish`: how the person would like to have it. @type {SendCode} */
async function sendCode(wish = {}) {
  hideTrouble();
  try {
    await open();
    await sendNewCode(wish);
    show('code');
    return true;
  } catch (error) {
    const code = codeOf(error);
    if (code === 'session-not-valid' && opened) { // a session that ran out: come in again
      opened = false;
      return sendCode(wish);
    }
    if (code === 'too-soon' && opened) show('code');
    if (code === 'link-not-valid') show('gone');
    else report(error, { retry: () => sendCode(wish) });
  }
  return false;
}

const begin = needKind(HTMLButtonElement, '[data-act="begin"]');
onTap(begin, () => sendCode());
begin.disabled = false; // until now a tap would have been lost
const again = bindCodes(sendCode);
onAct('question', () => { hideTrouble(); show('question'); });
onAct('back', () => { hideTrouble(); show('start'); });
bindIdentity(() => { opened = false; show('start'); }, again);
offerApp();
bindAnswers(open);
if (!need('[data-panel="start"]').hidden) warnWhereNoKeyWorks(begin);
if (location.origin !== document.body.dataset.origin) {
  // A key is proved to one address only: come in by that.
  location.replace(document.body.dataset.origin + location.pathname + location.search);
}
