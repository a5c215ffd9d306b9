// Landing: the ticket is opened on the person's tap, never on load; then the code, then who they are.

import { Problem, call, find, hideTrouble, json, onTap, report, ticketHere } from './session.js';
import { bindAnswers } from './answer.js';
import { offerApp } from './app.js';
import { bindCodes, bindIdentity } from './identity.js';

let opened = 'opened' in document.body.dataset;

function show(panel) {
  for (const section of document.querySelectorAll('[data-panel]')) section.hidden = section.dataset.panel !== panel;
  find('[data-aside]').hidden = ['question', 'gone'].includes(panel);
  find(`[data-panel="${panel}"] h1`).focus();
}

const isGone = (error) => error instanceof Problem && error.code === 'link-not-valid';

export async function open() {
  if (opened) return;
  const lang = document.documentElement.lang.slice(0, 2); // where the browser alone said so, the hub did not hear it
  const answer = await json(`open?lang=${lang}`, { body: { ticket: ticketHere() } });
  opened = true;
  find('[data-campus]').textContent = [answer.school, answer.campus].join(' · ');
}

/** Whether it is on its way. `wish`: how the person would like to have it. */
async function sendCode(wish = {}) {
  hideTrouble();
  try {
    await open();
    await call('code', { body: wish });
    show('code');
    return true;
  } catch (error) {
    if (isGone(error)) return show('gone');
    if (error.code === 'session-not-valid' && opened) { // a session that ran out: come in again
      opened = false;
      return sendCode(wish);
    }
    if (error.code === 'too-soon' && opened) show('code');
    report(error, { retry: () => sendCode(wish) });
  }
  return false;
}

const begin = find('[data-act="begin"]');
onTap(begin, () => sendCode());
begin.disabled = false; // until now a tap would have been lost
bindCodes(sendCode);
onTap(find('[data-act="question"]'), async () => { hideTrouble(); show('question'); });
onTap(find('[data-act="back"]'), async () => { hideTrouble(); show('start'); });
bindIdentity(() => { opened = false; show('start'); });
offerApp();
bindAnswers(open);
if (location.origin !== document.body.dataset.origin) {
  // A key is proved to one address only: come in by that.
  location.replace(document.body.dataset.origin + location.pathname + location.search);
}
