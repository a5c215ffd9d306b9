// The list of the person's own devices, where the key on a lost device can be revoked.

import { call, hideTrouble, onSubmit, report } from './session.js';

const { contract } = document.body.dataset;

for (const form of document.forms) {
  if (!('device' in form.dataset)) continue;
  onSubmit(form, async () => {
    hideTrouble();
    try {
      await call('devices/revoke', { body: { id: form.dataset.device } });
      location.replace(`/sign/devices?id=${contract}&lost`);
    } catch (error) {
      report(error, { retry: () => form.requestSubmit() });
    }
  });
}
