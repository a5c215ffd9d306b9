// Who the visitor is: the code, the name, and the end of the document's number.

import {
  Offline, Problem, call, codeOf, hideTrouble, json, need, needKind, onAct, onSubmit, refuse, report, showTrouble,
  word,
} from './session.js';

const NAMES = ['code', 'name', 'id_tail'];
const MAX_WRONG_ANSWERS = 5; // the hub accepts no more with one code (GUESSES_OF_A_CODE)
let wrongAnswers = 0; // wrong answers with the newest code

/** Return what was entered without its blanks, and with plain letters and digits for full-width ones. @param {string} text */
export const compact = (text) => text.normalize('NFKC').replace(/\s/g, '');

/** @param {string} name @param {string} value */
const fits = (name, value) => (name === 'code' ? /^\d{6}$/.test(compact(value)) : name === 'name' ? value : value.length === 4);

/** Mark the fields that are not filled in yet, and return whether there are any. The first one gets the focus. @param {HTMLFormElement} form */
function missing(form) {
  const fields = NAMES.map((name) => needKind(HTMLInputElement, `[name="${name}"]`, form));
  const wrong = fields.filter(({ name, value }) => !fits(name, value.trim()));
  for (const field of wrong.reverse()) refuse(field, word(field.name));
  return wrong.length > 0;
}

/** Nobody is told which of the three is wrong, so all are marked until one of them is changed. @param {HTMLFormElement} form */
function markAll(form) {
  const fields = NAMES.map((name) => needKind(HTMLInputElement, `[name="${name}"]`, form));
  for (const field of fields) field.setAttribute('aria-invalid', 'true');
  form.addEventListener('input', () => { for (const field of fields) field.removeAttribute('aria-invalid'); }, { once: true });
}

/** Have a code sent. No wrong answer has been given with it yet. @param {{channel?: string}} wish */
export async function sendNewCode(wish) {
  await call('code', { body: wish });
  wrongAnswers = 0;
}

/** Say that a code was sent; if the hub has just refused to send one, only where one was sent from this page before. @param {boolean} sent */
export function noteCode(sent) {
  const note = need('[data-code-sent]');
  note.hidden = !sent && (note.hidden || need('[data-panel="code"]').hidden);
}

/** Offer another code, or one that is read aloud if the page can do that. Return the function that sends another code. @param {SendCode} send */
export function bindCodes(send) {
  const said = need('[data-code-sent]');
  const usual = said.textContent;
  /** @param {{channel?: string}} wish @param {string | null} words */
  const another = async (wish, words) => {
    if (!await send(wish)) return;
    said.textContent = words;
  };
  const again = () => another({}, usual);
  onAct('again', again);
  onAct('call', () => another({ channel: 'voice' }, word('called')));
  return again;
}

/** `over`: the session has ended, and the visitor has to come in again. `again`: send another code. @param {Work} over @param {Work} again */
export function bindIdentity(over, again) {
  const form = needKind(HTMLFormElement, '[data-form="verify"]');
  let lost = false; // the answer to an earlier try did not arrive, but the hub may have accepted the code
  onSubmit(form, async (data) => {
    hideTrouble();
    if (missing(form)) return undefined;
    /** @param {string} name */
    const said = (name) => String(data.get(name)).trim();
    try {
      const known = lost ? await json('session') : null;
      const { contracts } = known?.verified ? known : await json('verify', {
        body: { code: compact(said('code')), name: said('name'), id_tail: said('id_tail') },
      });
      location.assign(`/sign/contract?id=${contracts[0].id}`);
    } catch (error) {
      if (error instanceof Offline) lost = true;
      if (codeOf(error) === 'session-not-valid') over();
      if (codeOf(error) === 'wrong-answer') {
        markAll(form);
        wrongAnswers += 1;
        return showTrouble(wrongAnswers < MAX_WRONG_ANSWERS ? 'wrong-answer' : 'code-used-up', { acts: { again } });
      }
      const field = error instanceof Problem && error.code === 'bad-input' && NAMES.includes(error.field)
        ? form.elements.namedItem(error.field) : null;
      if (field instanceof HTMLInputElement) return refuse(field, word(field.name));
      report(error, { retry: () => form.requestSubmit() });
    }
    return undefined;
  });
}
