// Landing: the ticket is opened on the person's tap, never on load; then the code, then who they are.

import { Problem, call, find, hideTrouble, json, onSubmit, onTap, report, ticketHere, word } from './session.js';
import { bindAnswers } from './answer.js';
import { offerApp } from './app.js';

let opened = 'opened' in document.body.dataset;

function show(panel) {
  for (const section of document.querySelectorAll('[data-panel]')) section.hidden = section.dataset.panel !== panel;
  find('[data-aside]').hidden = ['question', 'gone'].includes(panel);
  find(`[data-panel="${panel}"] h1`).focus();
}

const isGone = (error) => error instanceof Problem && error.code === 'link-not-valid';

export async function open() {
  if (opened) return;
  const answer = await json('open', { body: { ticket: ticketHere() } });
  opened = true;
  find('[data-campus]').textContent = [answer.school, answer.campus].join(' · ');
}

async function sendCode() {
  hideTrouble();
  try {
    await open();
    await call('code', { body: {} });
    show('code');
  } catch (error) {
    if (isGone(error)) return show('gone');
    if (error.code === 'session-not-valid' && opened) { // a session that ran out: come in again
      opened = false;
      return sendCode();
    }
    if (error.code === 'too-soon' && opened) show('code');
    report(error, { retry: sendCode });
  }
  return undefined;
}

function missing(form) {
  for (const name of ['code', 'name', 'id_tail']) {
    const field = form.elements[name];
    const right = name === 'code' ? /^\s*\d{6}\s*$/.test(field.value) : name === 'name' ? field.value.trim()
      : field.value.trim().length === 4;
    field.toggleAttribute('aria-invalid', false);
    if (right) continue;
    field.setAttribute('aria-invalid', 'true');
    field.setCustomValidity(word(name));
    field.reportValidity();
    field.addEventListener('input', () => { field.setCustomValidity(''); field.removeAttribute('aria-invalid'); }, { once: true });
    return true;
  }
  return false;
}

async function verify(data) {
  hideTrouble();
  if (missing(find('[data-form="verify"]'))) return;
  const said = (name) => data.get(name).trim();
  try {
    const { contracts } = await json('verify', {
      body: { code: said('code'), name: said('name'), id_tail: said('id_tail') },
    });
    location.assign(`/sign/contract?id=${contracts[0].id}`);
  } catch (error) {
    if (error.code === 'session-not-valid') {
      opened = false;
      show('start');
    }
    report(error, { retry: () => find('[data-form="verify"]').requestSubmit() });
  }
}

onTap(find('[data-act="begin"]'), sendCode);
onTap(find('[data-act="again"]'), sendCode);
onTap(find('[data-act="question"]'), async () => { hideTrouble(); show('question'); });
onTap(find('[data-act="back"]'), async () => { hideTrouble(); show('start'); });
onSubmit(find('[data-form="verify"]'), verify);
offerApp();
bindAnswers(open);
if (location.origin !== document.body.dataset.origin) {
  // A key is proved to one address only: come in by that.
  location.replace(document.body.dataset.origin + location.pathname + location.search);
}
