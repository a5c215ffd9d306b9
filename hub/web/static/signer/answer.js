// What a signer may answer instead of signing: a question, declining, asking for a new link.

import { call, find, hideTrouble, onSubmit, report, ticketHere } from './session.js';

const contract = document.body.dataset.contract;

function thank(form) {
  for (const part of form.children) part.hidden = !('sent' in part.dataset);
  form.querySelector('[data-sent]').hidden = false;
  form.querySelector('[data-sent]').focus();
}

function bindRelink(form) {
  onSubmit(form, async (data) => {
    form.querySelector('[data-failed]').hidden = true;
    const phone = data.get('phone');
    const field = form.elements.phone;
    if (field && !field.value.trim()) return void field.reportValidity();
    try {
      await call('relink', { body: phone === null ? { ticket: ticketHere() } : { phone: phone.trim() } });
      thank(form);
    } catch {
      form.querySelector('[data-failed]').hidden = false;
    }
  });
}

function bindQuestion(form, open) {
  onSubmit(form, async (data) => {
    hideTrouble();
    try {
      if ('ticket' in form.dataset) await open();
      await call('question', { body: { kind: data.get('kind'), text: data.get('text') }, id: contract });
      thank(form);
    } catch (error) {
      report(error, { retry: () => form.requestSubmit() });
    }
  });
}

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

/** `open` opens the ticket of this page first, where a question may come before the code. */
export function bindAnswers(open) {
  document.querySelectorAll('form[data-relink]').forEach(bindRelink);
  document.querySelectorAll('form[data-question]').forEach((form) => bindQuestion(form, open));
  document.querySelectorAll('form[data-decline]').forEach(bindDecline);
}

if (document.body.dataset.kind !== 'landing') bindAnswers();
