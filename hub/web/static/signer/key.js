// The signer's key: generated here as non-exportable, kept in this browser's IndexedDB until the last signature of this
// visit, then deleted. No script ever sees the private key itself (W3C Web Cryptography API).

import { joined, sha256 } from './checks.js';
import { ECDSA, store } from './key_store.js';

const CURRENT = 'current';
const LIFE_MS = 2 * 3600 * 1000; // how long a visit lasts at most
const text = new TextEncoder();

/** @typedef {import('./checks.js').NamedPasskey} NamedPasskey */
/** @typedef {{
 *   privateKey: CryptoKey, certificate: Bytes, named: NamedPasskey | null, confirmedBy: string | null,
 * }} CertifiedKey `confirmedBy`: the id of the passkey that its certificate names. */

/**
 * Return a new key for this visit, and the proof of possession: a signature over purpose, challenge, this origin and the
 * public key.
 * @param {Bytes} challenge
 */
export async function newKey(challenge) {
  const pair = await crypto.subtle.generateKey(ECDSA, /* extractable */ false, ['sign', 'verify']);
  const spki = new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey));
  const proof = await signWith(pair.privateKey, await possessionStatement(challenge, location.origin, spki));
  return { privateKey: pair.privateKey, spki, proof };
}

/**
 * Return the bytes that are signed to prove possession of the key: purpose, challenge, origin and key.
 * @param {Bytes} challenge
 * @param {string} origin
 * @param {Bytes} spki
 */
export async function possessionStatement(challenge, origin, spki) {
  return joined(text.encode('qianda-key-v1'), challenge, await sha256(text.encode(origin)), spki);
}

/** Return the signature: ECDSA with SHA-256 as raw r‖s, 64 bytes. @param {CryptoKey} privateKey @param {Bytes} bytes */
export async function signWith(privateKey, bytes) {
  return new Uint8Array(await crypto.subtle.sign(ECDSA, privateKey, bytes));
}

/** @param {CertifiedKey} key */
export const keep = (key) => store('readwrite', (keys) => keys.put({ ...key, until: Date.now() + LIFE_MS }, CURRENT));

/**
 * Return the kept key of this visit with its certificate. A key whose visit has ended is deleted instead.
 * @returns {Promise<CertifiedKey | null>}
 */
export async function kept() {
  /** @type {CertifiedKey & { until: number } | undefined} */
  const key = await store('readonly', (keys) => keys.get(CURRENT));
  if (key && key.until > Date.now()) return key;
  if (key) await forget();
  return null;
}

/** Delete the key. Return whether it is really gone. */
export async function forget() {
  await store('readwrite', (keys) => keys.delete(CURRENT));
  return await store('readonly', (keys) => keys.get(CURRENT)) === undefined;
}
