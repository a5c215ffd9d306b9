// The last step: key, certificate, prepared file, the four checks, signature. Each part can be repeated, and nothing is
// lost.

import { RefusedToSign, checkPrepared, joined, publicKeyOf, sha256 } from './checks.js';
import { hex, same } from './der.js';
import { forget, keep, kept, newKey, signWith } from './key.js';
import { keysWorkHere } from './key_store.js';
import { whyNoKey } from './able.js';
import { pad } from './pad.js';
import { confirmation, passkeyOfThisDevice, passkeysWorkHere } from './passkey.js';
import {
  Offline, Problem, all, call, codeOf, find, hideTrouble, json, nameOf, need, needKind, onAct, onTap, report, showTrouble, word,
} from './session.js';
import { checkUpdate } from './update.js';
import { showWays } from './ways.js';

const { contract, document: documentSha256, consentVersion, consentSha256, scripts, school = '', person = '' } = document.body.dataset;
const FINAL = ['changed', 'elsewhere', 'session-not-valid']; // signing is not possible here any more
const MAX_WAIT = 240; // seconds; somebody else's lease lasts three minutes

/** @typedef {import('./key.js').CertifiedKey} CertifiedKey */
/** @typedef {import('./passkey.js').Passkey} Passkey */

/** @param {string} base64 */
const bytesOf = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
/** @param {Bytes} bytes */
const base64Of = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
/** @param {number} seconds @returns {Promise<void>} */
const pause = (seconds) => new Promise((resolve) => { setTimeout(resolve, seconds * 1000); });
const button = needKind(HTMLButtonElement, '[data-act="sign"]');
const drawing = pad(needKind(HTMLCanvasElement, '[data-pad]'), (drawn) => need('.pad').classList.toggle('drawn', drawn));
const offer = find('[data-offer]'); // exists only if passkeys are possible at this hub's address
const confirming = offer && needKind(HTMLButtonElement, '[data-act="confirm"]', offer);
/** @type {Bytes | null} */
let shown = null;
let tapped = button; // which of the two buttons

const acts = {
  retry: () => tapped.click(), confirm: () => confirming?.click(), without: () => button.click(),
  read: () => location.assign(`/sign/contract?id=${contract}&changed`),
};

/** The person did not confirm with the device, or the device could not. Nothing was signed. */
class NotConfirmed extends Error {}

/** @param {string} name */
function step(name) {
  let past = true;
  for (const item of all('[data-step]')) {
    if (item.dataset.step === name) past = false;
    item.toggleAttribute('data-done', past);
    item.toggleAttribute('data-now', item.dataset.step === name);
    need('em', item).textContent = past ? word('done') : item.dataset.step === name ? word('doing') : '';
  }
}

/** @param {boolean} yes */
function working(yes) {
  need('[data-panel="progress"]').hidden = !yes;
  need('[data-panel="prepare"]').hidden = yes;
  need('[data-bar]').hidden = yes;
  for (const links of all('main > .links')) links.hidden = yes;
  if (yes) need('[data-panel="progress"] h2').focus();
}

/** Check that document and consent are those that the page states. Return the document. */
async function loadShown() {
  if (shown) return shown;
  const document = await call('document.pdf', { id: contract });
  if (hex(await sha256(document)) !== documentSha256) throw new Problem(409, { code: 'document-changed' });
  const consent = new TextEncoder().encode(need('[data-consent]').textContent ?? '');
  if (hex(await sha256(consent)) !== consentSha256) throw new RefusedToSign(1, 'the consent is not the one that is shown');
  shown = document;
  return document;
}

/**
 * Return the key of this visit: the kept one, or a new one with its certificate, which names the passkey.
 * @param {Passkey | null} passkey @returns {Promise<CertifiedKey>}
 */
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
      if (!(error instanceof Problem) || error.code !== 'document-busy' || waited > MAX_WAIT) throw error;
      const wait = Math.min(error.wait || 5, 1 + waited, 10); // most people finish long before their lease ends
      if (need('#trouble').dataset.shown !== 'busy') showTrouble('busy', { wait: error.wait });
      waited += wait;
      await pause(wait);
    }
  }
}

/** @param {Bytes} document @param {PreparedRequest} request @param {CertifiedKey} key */
async function checked(document, request, key) {
  if (!request.prepared.startsWith('/')) throw new RefusedToSign(1, 'the prepared file lies elsewhere');
  const { update } = request; // a hub of an earlier version, while hubs are being replaced, sends none
  const prepared = update === undefined ? await call(request.prepared) : joined(document, bytesOf(update));
  const toBeSigned = bytesOf(request.to_be_signed);
  await checkPrepared({
    shown: document, prepared, byteRange: request.byte_range, toBeSigned, certificate: key.certificate, passkey: key.named,
  });
  checkUpdate(document, prepared);
  return toBeSigned;
}

/** @param {PreparedRequest | null} request @param {RefusedToSign} refusal */
async function tellRefusal(request, refusal) {
  showTrouble('refused', { detail: refusal.message });
  try {
    if (request) await call('refused', { body: { request: request.request, reason: refusal.message }, id: contract });
  } catch { /* the report failed; the refusal is valid nevertheless */ }
}

/** Return what a passkey gives. Its failures are not those of the signature. @template T @param {Promise<T>} asked */
async function fromDevice(asked) {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Problem || error instanceof Offline) throw error;
    throw new NotConfirmed();
  }
}

/** @param {PreparedRequest} request @param {Bytes} signature @param {object | null} assertion */
async function handIn(request, signature, assertion) {
  const body = { request: request.request, signature: base64Of(signature), scripts_sha256: scripts, ...(assertion && { assertion }) };
  for (let tries = 1; ; tries += 1) {
    try {
      return await json('signature', { body, id: contract });
    } catch (error) {
      if (nameOf(error) !== 'offline' || tries > 3) throw error; // submitting the same signature again is allowed
      await pause(tries);
    }
  }
}

/** Delete the key if no contract of this visit is left to sign, and show the end. */
async function finish() {
  step('timestamp');
  let deleted = false;
  try {
    const { contracts } = await json('session');
    const more = contracts.some(({ state, task }) => state === 'ISSUED' && task === 'OPEN');
    deleted = !more && await forget();
    if (deleted) await call('key/deleted', { body: {} });
  } catch { /* it will be deleted when its visit ends */ }
  location.replace(`/sign/done?id=${contract}${deleted ? '#key-deleted' : ''}`);
}

/** @param {boolean} withPasskey @returns {Promise<unknown>} */
async function sign(withPasskey, again = false) {
  tapped = withPasskey && confirming ? confirming : button;
  hideTrouble();
  working(true);
  step('key');
  let request = null;
  try {
    const document = await loadShown();
    const passkey = withPasskey ? await fromDevice(passkeyOfThisDevice(contract, { school, person })) : null;
    const key = await certifiedKey(passkey);
    step('signature');
    request = await prepare();
    const toBeSigned = await checked(document, request, key);
    const assertion = passkey ? await fromDevice(confirmation(toBeSigned, passkey)) : null;
    await handIn(request, await signWith(key.privateKey, toBeSigned), assertion);
    await finish();
  } catch (error) {
    if (codeOf(error) === 'already-signed') return finish(); // an earlier try was accepted
    if (codeOf(error) === 'wrong-proof' && !again) { // the kept key belongs to an earlier visit
      await forget();
      return sign(withPasskey, true);
    }
    working(false);
    if (error instanceof RefusedToSign) {
      button.hidden = true;
      return tellRefusal(request, error);
    }
    button.hidden = FINAL.includes(nameOf(error));
    if (error instanceof NotConfirmed || codeOf(error) === 'wrong-confirmation') return showTrouble('not-confirmed', { acts });
    report(error, acts);
  }
  return undefined;
}

async function begin() {
  if (!await keysWorkHere()) {
    button.hidden = true;
    showTrouble(whyNoKey());
    showWays(contract);
    return;
  }
  try {
    await loadShown();
    button.disabled = false;
    if (offer) offer.hidden = !await passkeysWorkHere();
  } catch (error) {
    if (error instanceof RefusedToSign) tellRefusal(null, error);
    else report(error, { ...acts, retry: () => { hideTrouble(); begin(); } });
  }
}

onTap(button, () => sign(false));
if (confirming) onTap(confirming, () => sign(true));
onAct('clear', () => drawing.clear());
begin();
