// Coming in by a pickup code: six digits and the phone number, then the one-time code as for a link. Nobody is told whether
// code and number belong together; the page continues in either case.

import {
  Problem, all, codeOf, hideTrouble, inThisLanguage, json, need, needKind, onAct, onSubmit, refuse, report, word,
} from './session.js';
import { warnWhereNoKeyWorks } from './able.js';
import './answer.js';
import { bindCodes, bindIdentity, noteCode, sendNewCode } from './identity.js';

let opened = 'opened' in document.body.dataset;
const entry = needKind(HTMLFormElement, '[data-form="pickup"]');
const button = needKind(HTMLButtonElement, '[type="submit"]', entry);
const TICKET = /^[0-9a-z]{13}$/i;
const SHORT = /^\d{6}$/;

/** @param {string} name */
const field = (name) => needKind(HTMLInputElement, `[name="${name}"]`, entry);

/** @param {string} panel */
function show(panel) {
  for (const section of all('[data-panel]')) section.hidden = section.dataset.panel !== panel;
  need('[data-aside]').hidden = panel !== 'code';
  need(`[data-panel="${panel}"] h1`).focus();
}

/** @param {string} name @param {string} [words] */
function wrong(name, words = name) {
  show('start');
  if (name === 'phone') need('[data-phone-field]').hidden = false;
  refuse(field(name), word(words));
}

const typed = () => field('code').value.normalize('NFKC').replace(/[\s-]/g, '');

/** Ask for the phone number if the code is a short one. The code under a QR code is a whole link and needs none. */
function ask() {
  if (!SHORT.test(typed())) return;
  need('[data-phone-field]').hidden = false;
  button.textContent = word('send');
}

/** Return the input, or nothing if it cannot be correct. */
function entered() {
  const code = typed();
  const phone = field('phone').value.trim();
  if (TICKET.test(code)) return void location.assign(`/s?code=${encodeURIComponent(code)}`);
  if (!SHORT.test(code)) return void wrong('code', 'either_code');
  if (need('[data-phone-field]').hidden || phone.replace(/\D/g, '').length < 6) {
    ask();
    return void wrong('phone');
  }
  return { pickup_code: code, phone };
}

/** Send a code; the page says so whether or not one was sent. `wish`: how the person wants to get it. @type {SendCode} */
async function sendCode(wish = {}) {
  hideTrouble();
  try {
    await sendNewCode(wish);
    noteCode(true);
    show('code');
    return true;
  } catch (error) {
    if (codeOf(error) === 'session-not-valid') over();
    if (codeOf(error) === 'too-soon') {
      noteCode(false);
      show('code');
    }
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
    await json(inThisLanguage(), { body });
    opened = true;
  } catch (error) {
    if (error instanceof Problem && error.code === 'bad-input') {
      if (error.field === 'phone') return wrong('phone');
      if (error.field === 'pickup_code') return wrong('code', 'either_code');
    }
    return report(error, { retry: begin });
  }
  return sendCode();
}

onSubmit(entry, begin);
field('code').addEventListener('input', ask);
ask(); // for a code that the browser has kept, or that is in the address
if (!opened) warnWhereNoKeyWorks(button);
const again = bindCodes(sendCode);
onAct('question', () => { hideTrouble(); show('question'); });
onAct('back', (tapped) => { hideTrouble(); show(tapped.closest('[data-panel="question"]') && opened ? 'code' : 'start'); });
bindIdentity(over, again);
if (location.origin !== document.body.dataset.origin) {
  // A key is bound to one origin, so continue at that origin.
  location.replace(document.body.dataset.origin + location.pathname + location.search);
}
