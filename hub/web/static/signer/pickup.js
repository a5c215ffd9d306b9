// Coming by a pickup code: six digits and the phone number, then the one-time code as behind a link.
// Whether the two belong together nobody is told; the page goes on in either case.

import { call, find, hideTrouble, json, onSubmit, onTap, report, word } from './session.js';
import './answer.js';
import { bindCodes, bindIdentity } from './identity.js';

let opened = 'opened' in document.body.dataset;
const entry = find('[data-form="pickup"]');
const TICKET = /^[0-9a-z]{13}$/i;

function show(panel) {
  for (const section of document.querySelectorAll('[data-panel]')) section.hidden = section.dataset.panel !== panel;
  find('[data-aside]').hidden = panel !== 'code';
  find(`[data-panel="${panel}"] h1`).focus();
}

function wrong(name) {
  const field = entry.elements[name];
  show('start');
  field.setAttribute('aria-invalid', 'true');
  field.setCustomValidity(word(name));
  field.reportValidity();
  field.addEventListener('input', () => { field.setCustomValidity(''); field.removeAttribute('aria-invalid'); }, { once: true });
}

/** What was typed, as far as it can be right. A ticket in the place of a pickup code is taken for one. */
function entered() {
  const code = entry.elements.pickup_code.value.normalize('NFKC').replace(/[\s-]/g, '');
  const phone = entry.elements.phone.value.trim();
  if (TICKET.test(code)) return void location.assign(`/s?code=${encodeURIComponent(code)}`);
  if (!/^\d{6}$/.test(code)) return void wrong('pickup_code');
  if (phone.replace(/\D/g, '').length < 6) return void wrong('phone');
  return { pickup_code: code, phone };
}

/** Whether it is on its way, as far as anybody is told. `wish`: how the person would like to have it. */
async function sendCode(wish = {}) {
  hideTrouble();
  try {
    await call('code', { body: wish });
    show('code');
    return true;
  } catch (error) {
    if (error.code === 'session-not-valid') over();
    if (error.code === 'too-soon') show('code');
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
    if (error.code === 'bad-input' && error.field in entry.elements) return wrong(error.field);
    return report(error, { retry: begin });
  }
  return sendCode();
}

onSubmit(entry, begin);
bindCodes(sendCode);
onTap(find('[data-act="question"]'), async () => { hideTrouble(); show('question'); });
for (const button of document.querySelectorAll('[data-act="back"]')) {
  onTap(button, async () => { hideTrouble(); show(button.closest('[data-panel="question"]') && opened ? 'code' : 'start'); });
}
bindIdentity(over);
if (location.origin !== document.body.dataset.origin) {
  // A key is proved to one address only: come in by that.
  location.replace(document.body.dataset.origin + location.pathname + location.search);
}
