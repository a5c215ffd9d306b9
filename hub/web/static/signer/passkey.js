// A passkey of the person's own device can confirm exactly this signature request. It is offered, never required (W3C Web
// Authentication). It is made once for each device, and then used again. The certificate names the passkey before anything
// is signed. So the page has to determine the passkey's public key by itself, and must not trust what it is told.

import { isAnswerOf } from './assertion.js';
import { sha256 } from './checks.js';
import { same } from './der.js';
import { json } from './session.js';

const MADE_HERE = 'qianda-passkeys';
const MAX_KEPT = 20;
const ALGORITHMS = [-7, -257]; // ECDSA on P-256, RSA
const CEREMONY_TIMEOUT = 60000;

/** @typedef {{ id: string, spki: Bytes, rpId: string }} Passkey */
/** @typedef {{ id: string, spki?: string }} Remembered */

/** @param {string} base64 */
const bytesOf = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
/** @param {ArrayBuffer | Bytes} buffer */
const base64Of = (buffer) => btoa(Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join(''));

/** Return whether this device can verify its user: by fingerprint, face or screen lock. */
export async function passkeysWorkHere() {
  try {
    return !/MicroMessenger/i.test(navigator.userAgent)
      && 'getAuthenticatorData' in AuthenticatorAttestationResponse.prototype
      && await PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable();
  } catch {
    return false;
  }
}

/**
 * Return this device's passkey. Its public key is the one that the device gave when it made the passkey, or one whose answer
 * was checked here. If the person has no passkey on this device, it is made now.
 * @param {string | undefined} contract
 * @param {{ school: string, person: string }} names
 */
export async function passkeyOfThisDevice(contract, names) {
  const known = await json('passkeys', { id: contract });
  const here = madeHere().filter(({ id }) => known.credentials.includes(id));
  for (const { id, spki } of here) if (spki) return { id, spki: bytesOf(spki), rpId: known.rp_id };
  if (here.length) return proved(known, here.map(({ id }) => id));
  try {
    return await fresh(known, contract, names);
  } catch (error) {
    if (!(error instanceof DOMException && error.name === 'InvalidStateError')) throw error;
    return proved(known, known.credentials); // made in another browser, or synced
  }
}

/**
 * Return the passkey's answer to exactly these signed attributes, in the form that `signature` takes.
 * @param {Bytes} toBeSigned @param {Passkey} passkey
 */
export async function confirmation(toBeSigned, { id, spki, rpId }) {
  const { rawId, response } = await ask(rpId, await sha256(toBeSigned), [id]);
  if (!await isAnswerOf(spki, response)) throw new Error('another key answered');
  return {
    credential: base64Of(rawId), authenticator_data: base64Of(response.authenticatorData),
    client_data: base64Of(response.clientDataJSON), signature: base64Of(response.signature),
  };
}

/** @param {string} rpId @param {Bytes} challenge @param {string[]} ids */
async function ask(rpId, challenge, ids) {
  const { rawId, response } = publicKeyCredential(await navigator.credentials.get({
    publicKey: {
      challenge, rpId, userVerification: 'required', timeout: CEREMONY_TIMEOUT,
      allowCredentials: ids.map((id) => ({ type: 'public-key', id: bytesOf(id), transports: ['internal'] })),
    },
  }));
  if (!(response instanceof AuthenticatorAssertionResponse)) throw new Error('the device gave no assertion');
  return { rawId, response };
}

/** @param {Credential | null} credential */
function publicKeyCredential(credential) {
  if (!(credential instanceof PublicKeyCredential)) throw new Error('the device gave no passkey');
  return credential;
}

/**
 * Return one of these passkeys after it has answered a challenge of this page. Its key is then known to be the one that the
 * hub has for it.
 * @param {KnownPasskeys} known @param {string[]} ids
 */
async function proved(known, ids) {
  const { rawId, response } = await ask(known.rp_id, crypto.getRandomValues(new Uint8Array(32)), ids);
  const id = base64Of(rawId);
  const spki = bytesOf(known.public_keys[known.credentials.indexOf(id)] ?? '');
  if (!await isAnswerOf(spki, response)) throw new Error('the hub has another key for this passkey');
  return remembered({ id, spki, rpId: known.rp_id });
}

/** @param {KnownPasskeys} known @param {string | undefined} contract @param {{ school: string, person: string }} names */
async function fresh(known, contract, { school, person }) {
  const { response } = publicKeyCredential(await navigator.credentials.create({
    publicKey: {
      rp: { id: known.rp_id, name: school }, user: { id: bytesOf(known.user), name: person, displayName: person },
      challenge: bytesOf(known.challenge), pubKeyCredParams: ALGORITHMS.map((alg) => ({ type: 'public-key', alg })),
      authenticatorSelection: { authenticatorAttachment: 'platform', residentKey: 'discouraged', userVerification: 'required' },
      excludeCredentials: known.credentials.map((id) => ({ type: 'public-key', id: bytesOf(id) })),
      attestation: 'none', timeout: CEREMONY_TIMEOUT,
    },
  }));
  if (!(response instanceof AuthenticatorAttestationResponse)) throw new Error('the device made no passkey');
  const body = {
    authenticator_data: base64Of(response.getAuthenticatorData()), client_data: base64Of(response.clientDataJSON),
  };
  const { credential: id, public_key: registered } = await json('passkeys', { body, id: contract });
  const [given, spki] = [new Uint8Array(response.getPublicKey() ?? []), bytesOf(registered)];
  if (same(given, spki)) return remembered({ id, spki, rpId: known.rp_id });
  // If the browser gave no key, or encodes it in another way, the passkey itself shows whether the key is the same.
  return proved({ ...known, credentials: [id], public_keys: [registered] }, [id]);
}

/** Return what this browser remembers, the latest first. Earlier versions stored only ids. @returns {Remembered[]} */
function madeHere() {
  try {
    /** @type {(string | Remembered)[]} */
    const kept = JSON.parse(localStorage.getItem(MADE_HERE) ?? '[]') || [];
    return kept.map((entry) => (typeof entry === 'string' ? { id: entry } : entry));
  } catch {
    return [];
  }
}

/** @param {Passkey} passkey */
function remembered(passkey) {
  const { id, spki } = passkey;
  try {
    const others = madeHere().filter((entry) => entry.id !== id);
    localStorage.setItem(MADE_HERE, JSON.stringify([{ id, spki: base64Of(spki) }, ...others].slice(0, MAX_KEPT)));
  } catch { /* then the device is asked again next time */ }
  return passkey;
}
