// Code, name and the end of the document's number: who the visitor is.

import {
  Offline, Problem, call, codeOf, hideTrouble, json, need, needKind, onAct, onSubmit, refuse, report, showTrouble,
  word,
} from './session.js';

const NAMES = ['code', 'name', 'id_tail'];
const MAX_WRONG_ANSWERS = 5; // the hub takes no more with one code (GUESSES_OF_A_CODE)
let wrongAnswers = 0; // with the newest code

/** @param {string} name @param {string} value */
const fits = (name, value) => (name === 'code' ? /^\d{6}$/.test(value) : name === 'name' ? value : value.length === 4);

/** Name what is not there yet; whether anything was missing. The first one is where one goes on. @param {HTMLFormElement} form */
function missing(form) {
  const fields = NAMES.map((name) => needKind(HTMLInputElement, `[name="${name}"]`, form));
  const wrong = fields.filter(({ name, value }) => !fits(name, value.trim()));
  for (const field of wrong.reverse()) refuse(field, word(field.name));
  return wrong.length > 0;
}

/** Which of the three is wrong nobody is told: all are marked until one of them is changed. @param {HTMLFormElement} form */
function markAll(form) {
  const fields = NAMES.map((name) => needKind(HTMLInputElement, `[name="${name}"]`, form));
  for (const field of fields) field.setAttribute('aria-invalid', 'true');
  form.addEventListener('input', () => { for (const field of fields) field.removeAttribute('aria-invalid'); }, { once: true });
}

/** Have a code sent: no answer was wrong with it yet. @param {{channel?: string}} wish */
export async function sendNewCode(wish) {
  await call('code', { body: wish });
  wrongAnswers = 0;
}

/** Another code, or one that is read aloud, where the page offers that. What sends another one. @param {SendCode} send */
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

/** `over`: the session has ended, the visitor has to come in again. `again`: send another code.
    @param {Work} over @param {Work} again */
export function bindIdentity(over, again) {
  const form = needKind(HTMLFormElement, '[data-form="verify"]');
  let lost = false; // the answer to an earlier try did not come, though the hub may have taken the code
  onSubmit(form, async (data) => {
    hideTrouble();
    if (missing(form)) return undefined;
    /** @param {string} name */
    const said = (name) => String(data.get(name)).trim();
    try {
      const known = lost ? await json('session') : null;
      const { contracts } = known?.verified ? known : await json('verify', {
        body: { code: said('code'), name: said('name'), id_tail: said('id_tail') },
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
