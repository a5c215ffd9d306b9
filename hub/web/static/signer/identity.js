// Code, name and the end of the document's number: who the visitor is.

import { find, hideTrouble, json, onSubmit, onTap, report, word } from './session.js';

/** Ask for what is not there yet; whether anything was missing. */
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

/** Another code, or one that is read aloud, where the page offers that. `send` says whether it is on its way. */
export function bindCodes(send) {
  const said = find('[data-code-sent]');
  const usual = said.textContent;
  onTap(find('[data-act="again"]'), async () => { if (await send()) said.textContent = usual; });
  const aloud = document.querySelector('[data-act="call"]');
  if (aloud) onTap(aloud, async () => { if (await send({ channel: 'voice' })) said.textContent = word('called'); });
}

/** `over`: the session has ended, the visitor has to come in again. */
export function bindIdentity(over) {
  const form = find('[data-form="verify"]');
  onSubmit(form, async (data) => {
    hideTrouble();
    if (missing(form)) return;
    const said = (name) => data.get(name).trim();
    try {
      const { contracts } = await json('verify', {
        body: { code: said('code'), name: said('name'), id_tail: said('id_tail') },
      });
      location.assign(`/sign/contract?id=${contracts[0].id}`);
    } catch (error) {
      if (error.code === 'session-not-valid') over();
      report(error, { retry: () => form.requestSubmit() });
    }
  });
}
