// Coming by a pickup code: six digits and the phone number, then the one-time code as behind a link.
// Whether the two belong together nobody is told; the page goes on in either case.

import { Problem, all, call, codeOf, hideTrouble, json, need, needKind, onAct, onSubmit, report, word } from './session.js';
import './answer.js';
import { bindCodes, bindIdentity } from './identity.js';

let opened = 'opened' in document.body.dataset;
const entry = needKind(HTMLFormElement, '[data-form="pickup"]');
const TICKET = /^[0-9a-z]{13}$/i;

/** @param {string} name */
const field = (name) => needKind(HTMLInputElement, `[name="${name}"]`, entry);

/** @param {string} panel */
function show(panel) {
  for (const section of all('[data-panel]')) section.hidden = section.dataset.panel !== panel;
  need('[data-aside]').hidden = panel !== 'code';
  need(`[data-panel="${panel}"] h1`).focus();
}

/** @param {string} name */
function wrong(name) {
  const input = field(name);
  show('start');
  input.setAttribute('aria-invalid', 'true');
  input.setCustomValidity(word(name));
  input.reportValidity();
  input.addEventListener('input', () => { input.setCustomValidity(''); input.removeAttribute('aria-invalid'); }, { once: true });
}

/** What was typed, as far as it can be right. A ticket in the place of a pickup code is taken for one. */
function entered() {
  const code = field('pickup_code').value.normalize('NFKC').replace(/[\s-]/g, '');
  const phone = field('phone').value.trim();
  if (TICKET.test(code)) return void location.assign(`/s?code=${encodeURIComponent(code)}`);
  if (!/^\d{6}$/.test(code)) return void wrong('pickup_code');
  if (phone.replace(/\D/g, '').length < 6) return void wrong('phone');
  return { pickup_code: code, phone };
}

/** As far as anybody is told. `wish`: how the person would like to have it. @type {SendCode} */
async function sendCode(wish = {}) {
  hideTrouble();
  try {
    await call('code', { body: wish });
    show('code');
    return true;
  } catch (error) {
    if (codeOf(error) === 'session-not-valid') over();
    if (codeOf(error) === 'too-soon') show('code');
    report(error, { retry: () => sendCode(wish) });
  }
  return false;
}

function over() {
  opened = false;
  show('start');
}

async function begin() {
  hideTrouble();
  const body = entered();
  if (!body) return undefined;
  try {
    await json('open', { body });
    opened = true;
  } catch (error) {
    if (error instanceof Problem && error.code === 'bad-input' && error.field in entry.elements) return wrong(error.field);
    return report(error, { retry: begin });
  }
  return sendCode();
}

onSubmit(entry, begin);
bindCodes(sendCode);
onAct('question', () => { hideTrouble(); show('question'); });
onAct('back', (button) => { hideTrouble(); show(button.closest('[data-panel="question"]') && opened ? 'code' : 'start'); });
bindIdentity(over);
if (location.origin !== document.body.dataset.origin) {
  // A key is proved to one address only: come in by that.
  location.replace(document.body.dataset.origin + location.pathname + location.search);
}
