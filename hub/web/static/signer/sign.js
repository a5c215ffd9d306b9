// The last tap: key, certificate, prepared file, the four checks, signature. Each step may be repeated; nothing is lost.

import { RefusedToSign, checkPrepared, publicKeyOf, sha256 } from './checks.js';
import { hex, same } from './der.js';
import { forget, keep, kept, keysWorkHere, newKey, signWith } from './key.js';
import { pad } from './pad.js';
import { confirmation, passkeyOfThisDevice, passkeysWorkHere } from './passkey.js';
import { Offline, Problem, call, find, hideTrouble, json, nameOf, onTap, report, showTrouble, word } from './session.js';
import { checkUpdate } from './update.js';
import { showWays } from './ways.js';

const { contract, document: documentSha256, consentVersion, consentSha256, scripts, school, person } = document.body.dataset;
const FINAL = ['changed', 'elsewhere', 'session-not-valid']; // signing here makes no sense any more
const LONGEST_WAIT = 240; // seconds: somebody else's lease lasts three minutes
const bytesOf = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
const base64Of = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
const pause = (seconds) => new Promise((resolve) => { setTimeout(resolve, seconds * 1000); });
const button = find('[data-act="sign"]');
const drawing = pad(find('[data-pad]'), (drawn) => find('.pad').classList.toggle('drawn', drawn));
const offer = find('[data-offer]'); // only where this hub's address can have passkeys
const confirming = find('[data-act="confirm"]');
let shown = null;
let tapped = button; // which of the two

const acts = {
  retry: () => tapped.click(), confirm: () => confirming.click(), without: () => button.click(),
  read: () => location.assign(`/sign/contract?id=${contract}&changed`),
};

/** The person did not confirm with the device, or it could not: nothing was signed by that. */
class NotConfirmed extends Error {}

function step(name) {
  let past = true;
  for (const item of document.querySelectorAll('[data-step]')) {
    if (item.dataset.step === name) past = false;
    item.toggleAttribute('data-done', past);
    item.toggleAttribute('data-now', item.dataset.step === name);
    item.querySelector('em').textContent = past ? word('done') : item.dataset.step === name ? word('doing') : '';
  }
}

function working(yes) {
  find('[data-panel="progress"]').hidden = !yes;
  find('[data-panel="prepare"]').hidden = yes;
  find('[data-bar]').hidden = yes;
  document.querySelectorAll('main > .links').forEach((links) => { links.hidden = yes; });
  if (yes) find('[data-panel="progress"] h2').focus();
}

/** The document as it is shown, and the consent, are what the page says they are. */
async function loadShown() {
  if (shown) return;
  const document = await call('document.pdf', { id: contract });
  if (hex(await sha256(document)) !== documentSha256) throw new Problem(409, { code: 'document-changed' });
  const consent = new TextEncoder().encode(find('[data-consent]').textContent);
  if (hex(await sha256(consent)) !== consentSha256) throw new RefusedToSign(1, 'the consent is not the one that is shown');
  shown = document;
}

/** The key of this visit: the one that is here already, or a fresh one with its certificate, which names the passkey. */
async function certifiedKey(passkey) {
  const old = await kept();
  if (old && (!passkey || old.confirmedBy === passkey.id)) return old;
  if (old) await forget(); // its certificate names no passkey, or another one
  const { key_challenge: challenge } = await json('session');
  const { privateKey, spki, proof } = await newKey(bytesOf(challenge));
  step('certificate');
  const body = { spki: base64Of(spki), proof: base64Of(proof), custody: 'browser', ...(passkey && { passkey: passkey.id }) };
  const answer = await json('key', { body, id: contract });
  const certificate = bytesOf(answer.certificate_chain[0]);
  if (!same(publicKeyOf(certificate), spki)) throw new RefusedToSign(3, 'the certificate is not for this key');
  const named = passkey && { origin: location.origin, hash: await sha256(passkey.spki) };
  const key = { privateKey, certificate, named, confirmedBy: passkey && passkey.id };
  await keep(key);
  return key;
}

async function prepare() {
  const strokes = drawing.strokes();
  const body = {
    document_sha256: documentSha256, consent: { version: consentVersion, sha256: consentSha256 },
    appearance: strokes.length ? { strokes } : null,
  };
  for (let waited = 0; ;) {
    try {
      const request = await json('prepare', { body, id: contract });
      hideTrouble();
      return request;
    } catch (error) {
      if (error.code !== 'document-busy' || waited > LONGEST_WAIT) throw error;
      const wait = Math.min(error.wait || 5, 1 + waited, 10); // most people are done long before their lease ends
      if (find('#trouble').dataset.shown !== 'busy') showTrouble('busy', { wait: error.wait });
      waited += wait;
      await pause(wait);
    }
  }
}

async function checked(request, key) {
  if (!request.prepared.startsWith('/')) throw new RefusedToSign(1, 'the prepared file lies elsewhere');
  const prepared = await call(request.prepared);
  const toBeSigned = bytesOf(request.to_be_signed);
  await checkPrepared({
    shown, prepared, byteRange: request.byte_range, toBeSigned, certificate: key.certificate, passkey: key.named,
  });
  checkUpdate(shown, prepared);
  return toBeSigned;
}

async function tellRefusal(request, refusal) {
  showTrouble('refused', { detail: refusal.message });
  try {
    if (request) await call('refused', { body: { request: request.request, reason: refusal.message }, id: contract });
  } catch { /* the report could not be made; the refusal stands all the same */ }
}

/** What a passkey gives; what goes wrong with it is not the signature's trouble. */
async function fromDevice(asked) {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Problem || error instanceof Offline) throw error;
    throw new NotConfirmed();
  }
}

async function handIn(request, signature, assertion) {
  const body = { request: request.request, signature: base64Of(signature), scripts_sha256: scripts, ...(assertion && { assertion }) };
  for (let tries = 1; ; tries += 1) {
    try {
      return await json('signature', { body, id: contract });
    } catch (error) {
      if (nameOf(error) !== 'offline' || tries > 3) throw error; // the same signature may be handed in again
      await pause(tries);
    }
  }
}

/** The key has served when nothing of this visit is left to sign. */
async function finish() {
  step('timestamp');
  let deleted = false;
  try {
    const { contracts } = await json('session');
    const more = contracts.some(({ state, task }) => state === 'ISSUED' && task === 'OPEN');
    deleted = !more && await forget();
    if (deleted) await call('key/deleted', { body: {} });
  } catch { /* it is deleted when its visit is over */ }
  location.replace(`/sign/done?id=${contract}${deleted ? '#key-deleted' : ''}`);
}

async function sign(withPasskey, again = false) {
  tapped = withPasskey ? confirming : button;
  hideTrouble();
  working(true);
  step('key');
  let request = null;
  try {
    await loadShown();
    const passkey = withPasskey ? await fromDevice(passkeyOfThisDevice(contract, { school, person })) : null;
    const key = await certifiedKey(passkey);
    step('signature');
    request = await prepare();
    const toBeSigned = await checked(request, key);
    const assertion = passkey ? await fromDevice(confirmation(toBeSigned, passkey)) : null;
    await handIn(request, await signWith(key.privateKey, toBeSigned), assertion);
    await finish();
  } catch (error) {
    if (error.code === 'already-signed') return finish(); // an earlier try had come through
    if (error.code === 'wrong-proof' && !again) { // the key here belongs to an earlier visit
      await forget();
      return sign(withPasskey, true);
    }
    working(false);
    if (error instanceof RefusedToSign) {
      button.hidden = true;
      return tellRefusal(request, error);
    }
    button.hidden = FINAL.includes(nameOf(error));
    if (error instanceof NotConfirmed || error.code === 'wrong-confirmation') return showTrouble('not-confirmed', { acts });
    report(error, acts);
  }
  return undefined;
}

async function begin() {
  if (!await keysWorkHere()) {
    button.hidden = true;
    showTrouble(/MicroMessenger/i.test(navigator.userAgent) ? 'wechat' : 'unsupported');
    return void showWays(contract);
  }
  try {
    await loadShown();
    button.disabled = false;
    if (offer) offer.hidden = !await passkeysWorkHere();
  } catch (error) {
    if (error instanceof RefusedToSign) return void tellRefusal(null, error);
    report(error, { ...acts, retry: () => { hideTrouble(); begin(); } });
  }
}

onTap(button, () => sign(false));
if (confirming) onTap(confirming, () => sign(true));
onTap(find('[data-act="clear"]'), async () => drawing.clear());
begin();
