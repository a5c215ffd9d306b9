// Signing with a USB token: this page shows a code and follows what the agent on the person's computer does. The agent
// handles the key, the PIN and the signature. On this page, the person confirms that the agent's certificate is theirs.

import {
  Offline, all, call, hideTrouble, json, need, needKind, onAct, report, timeWords, word,
} from './session.js';

const { contract } = document.body.dataset;
const ASK_AGAIN = 1500; // milliseconds
let asking = 0;
/** @type {ShownCertificate | null} */
let certificate = null;
let runsOut = 0;

/** @param {string} state */
function show(state) {
  const before = document.body.dataset.state;
  document.body.dataset.state = state;
  for (const panel of all('[data-panel]')) panel.hidden = panel.dataset.panel !== state;
  for (const part of all('[data-panel-of]')) part.hidden = !part.dataset.panelOf?.split(' ').includes(state);
  need('[data-bar]').hidden = !['begin', 'ENDED', 'CERTIFIED'].includes(state);
  if (state !== before && state !== 'begin') need(`[data-panel="${state}"] h2`).focus();
}

/** @param {ShownCertificate} found */
function showCertificate(found) {
  const texts = {
    name: found.name, issuer: [found.issuer, found.issuer_organisation].filter(Boolean).join(' · '),
    until: found.not_after.slice(0, 10), short: found.sha256.slice(0, 16),
    custody: word(found.custody ?? '') || word('software'),
  };
  for (const [name, text] of Object.entries(texts)) need(`[data-certificate="${name}"]`).textContent = text;
  certificate = found;
}

function showLeft() {
  const left = Math.max(0, Math.round((runsOut - Date.now()) / 1000));
  need('[data-left]').textContent = timeWords(left);
}

function follow() {
  clearTimeout(asking);
  asking = setTimeout(look, ASK_AGAIN);
}

async function look() {
  try {
    const found = await json('pairing');
    hideTrouble();
    if (found.contract !== contract) return show('ENDED'); // another page of this visit has begun again
    if (found.task === 'SIGNED') return location.replace(`/sign/done?id=${contract}`);
    if (found.certificate) showCertificate(found.certificate);
    show(found.state);
    if (found.state === 'ENDED') return undefined;
    follow();
  } catch (error) {
    report(error, { retry: () => { hideTrouble(); look(); }, read: () => location.assign(`/sign/contract?id=${contract}`) });
    if (error instanceof Offline) follow(); // the connection returns by itself
  }
  return undefined;
}

/** @param {Work} work */
async function act(work) {
  hideTrouble();
  try {
    await work();
  } catch (error) {
    report(error, { retry: () => { hideTrouble(); look(); }, read: () => location.assign(`/sign/contract?id=${contract}`) });
  }
}

onAct('pair', () => act(async () => {
  const { code, expires_at: until } = await json('pair', { body: {}, id: contract });
  need('[data-code]').textContent = `${code.slice(0, 4)} ${code.slice(4)}`;
  runsOut = Date.parse(until);
  certificate = null;
  showLeft();
  show('WAITING');
  follow();
}));
onAct('confirm', () => act(async () => {
  await call('pairing/confirm', { body: { certificate_sha256: certificate?.sha256 } });
  await look();
}));
onAct('end', () => act(async () => {
  await call('pairing/end', { body: {} });
  await look();
}));
setInterval(showLeft, 1000);
show('begin');
needKind(HTMLButtonElement, '[data-act="pair"]').disabled = false; // an earlier tap would have been lost
