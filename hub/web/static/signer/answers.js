// The form for what the contract asks its signer for, before it can be read and signed: values, and photos or PDFs.

import { Problem, all, call, hideTrouble, need, needKind, onSubmit, refuse, report, word } from './session.js';

const { contract = '' } = document.body.dataset;
const form = needKind(HTMLFormElement, '[data-form="answers"]');
const MAX_BYTES = Number(form.dataset.maxBytes);

/** @typedef {HTMLInputElement | HTMLSelectElement} Field */

/** @returns {Field[]} */
const fields = () => [...form.elements].filter((each) => each instanceof HTMLInputElement || each instanceof HTMLSelectElement);

/** @param {Field} field */
const fileOf = (field) => (field instanceof HTMLInputElement && field.type === 'file' ? field.files?.[0] ?? null : null);

/** Return why this field cannot be sent; empty if it can. @param {Field} field */
function fault(field) {
  const file = fileOf(field);
  if (file) return file.size > MAX_BYTES ? 'too-large' : '';
  const isGiven = field.type === 'file' ? 'given' in field.dataset : field.value.trim() !== '';
  if (field.required && !isGiven) return field.type === 'file' ? 'no-file' : 'needed';
  return '';
}

/** Mark the wrong fields. The first of them gets the focus, since it is marked last. */
function missing() {
  const wrong = fields().map((field) => ({ field, why: fault(field) })).filter(({ why }) => why);
  for (const { field, why } of wrong.reverse()) refuse(field, word(why));
  return wrong.length > 0;
}

/** Send each file only once: a file that has arrived need not be sent again. */
async function sendFiles() {
  for (const field of fields()) {
    const file = fileOf(field);
    if (file) {
      await call(`/sign/v1/attachment?id=${contract}&name=${encodeURIComponent(field.name)}`, { body: file });
      field.dataset.given = '';
      if (field instanceof HTMLInputElement) field.value = '';
      for (const said of all('[data-there]', field.closest('.field') ?? form)) said.hidden = false;
    }
  }
}

/** @param {unknown} error */
function refused(error) {
  const field = error instanceof Problem ? fields().find(({ name }) => name === error.field) : undefined;
  if (!field || !(error instanceof Problem)) return false;
  const own = error.code === 'undrawable-text' ? 'undrawable' : field.type === 'file' ? 'no-photo' : 'wrong-value';
  refuse(field, word(own));
  return true;
}

onSubmit(form, async () => {
  hideTrouble();
  if (missing()) return;
  need('[data-sending]').hidden = false;
  try {
    await sendFiles();
    const typed = fields().filter(({ type, value }) => type !== 'file' && value.trim());
    const values = Object.fromEntries(typed.map(({ name, value }) => [name, value.trim()]));
    await call('answers', { body: { values }, id: contract });
    location.assign(`/sign/contract?id=${contract}`);
  } catch (error) {
    if (!refused(error)) report(error, { retry: () => form.requestSubmit(), read: () => location.assign(`/sign/contract?id=${contract}`) });
  } finally {
    need('[data-sending]').hidden = true;
  }
});
