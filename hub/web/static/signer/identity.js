// Code, name and the end of the document's number: who the visitor is.

import { codeOf, hideTrouble, json, need, needKind, onAct, onSubmit, report, word } from './session.js';

/** Ask for what is not there yet; whether anything was missing. @param {HTMLFormElement} form */
function missing(form) {
  for (const name of ['code', 'name', 'id_tail']) {
    const field = needKind(HTMLInputElement, `[name="${name}"]`, form);
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

/** Another code, or one that is read aloud, where the page offers that. @param {SendCode} send */
export function bindCodes(send) {
  const said = need('[data-code-sent]');
  const usual = said.textContent;
  onAct('again', async () => { if (await send()) said.textContent = usual; });
  onAct('call', async () => { if (await send({ channel: 'voice' })) said.textContent = word('called'); });
}

/** `over`: the session has ended, the visitor has to come in again. @param {Work} over */
export function bindIdentity(over) {
  const form = needKind(HTMLFormElement, '[data-form="verify"]');
  onSubmit(form, async (data) => {
    hideTrouble();
    if (missing(form)) return;
    /** @param {string} name */
    const said = (name) => String(data.get(name)).trim();
    try {
      const { contracts } = await json('verify', {
        body: { code: said('code'), name: said('name'), id_tail: said('id_tail') },
      });
      location.assign(`/sign/contract?id=${contracts[0].id}`);
    } catch (error) {
      if (codeOf(error) === 'session-not-valid') over();
      report(error, { retry: () => form.requestSubmit() });
    }
  });
}
