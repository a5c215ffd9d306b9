// What a signer can do instead of signing: ask a question, decline, or request a new link.

import { all, call, hideTrouble, need, onSubmit, refuse, report, ticketHere } from './session.js';

const { contract, kind } = document.body.dataset;

/** @param {HTMLFormElement} form */
function thank(form) {
  for (const part of all(':scope > *', form)) part.hidden = !('sent' in part.dataset);
  need('[data-sent]', form).focus();
}

/** @param {HTMLFormElement} form */
function bindRelink(form) {
  onSubmit(form, async () => {
    need('[data-failed]', form).hidden = true;
    const phone = form.querySelector('input');
    if (phone && phone.value.replace(/\D/g, '').length < 6) return refuse(phone, need('[data-refused]', form).textContent ?? '');
    try {
      await call('relink', { body: phone ? { phone: phone.value.trim() } : { ticket: ticketHere() } });
      thank(form);
    } catch {
      need('[data-failed]', form).hidden = false;
    }
    return undefined;
  });
}

/** @param {HTMLFormElement} form @param {Work} [open] */
function bindQuestion(form, open) {
  onSubmit(form, async (data) => {
    hideTrouble();
    try {
      if ('ticket' in form.dataset) await open?.();
      await call('question', { body: { kind: data.get('kind'), text: data.get('text') }, id: contract });
      thank(form);
    } catch (error) {
      report(error, { retry: () => form.requestSubmit() });
    }
  });
}

/** @param {HTMLFormElement} form */
function bindDecline(form) {
  onSubmit(form, async (data) => {
    hideTrouble();
    try {
      await call('decline', { body: { reason: data.get('reason') }, id: contract });
      location.replace(`/sign/done?id=${contract}`);
    } catch (error) {
      report(error, { retry: () => form.requestSubmit(), read: () => location.assign(`/sign/contract?id=${contract}`) });
    }
  });
}

/** Bind the forms. `open`: opens the ticket of this page first, because a question may be sent before the code. @param {Work} [open] */
export function bindAnswers(open) {
  for (const form of document.forms) {
    if ('relink' in form.dataset) bindRelink(form);
    if ('question' in form.dataset) bindQuestion(form, open);
    if ('decline' in form.dataset) bindDecline(form);
  }
}

if (kind !== 'landing') bindAnswers();
