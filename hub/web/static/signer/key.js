// The signer's key: made here as non-exportable, kept in this browser's IndexedDB only until the last signature of this visit,
// then deleted. The private key itself is never seen by any script (W3C Web Cryptography API).

import { joined, sha256 } from './checks.js';
import { ECDSA, store } from './key_store.js';

const CURRENT = 'current';
const LIFE_MS = 2 * 3600 * 1000; // of a visit
const text = new TextEncoder();

/** @typedef {import('./checks.js').NamedPasskey} NamedPasskey */
/** @typedef {{
 *   privateKey: CryptoKey, certificate: Bytes, named: NamedPasskey | null, confirmedBy: string | null,
 * }} CertifiedKey `confirmedBy`: the id of the passkey that its certificate names. */

/** A fresh key of this visit, and the proof that it is here: over purpose, challenge, this address and the public key. @param {Bytes} challenge */
export async function newKey(challenge) {
  const pair = await crypto.subtle.generateKey(ECDSA, /* extractable */ false, ['sign', 'verify']);
  const spki = new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey));
  const proof = await signWith(pair.privateKey, await possessionStatement(challenge, location.origin, spki));
  return { privateKey: pair.privateKey, spki, proof };
}

/**
 * What is signed to prove that a key is here: what for, when, where, which key.
 * @param {Bytes} challenge
 * @param {string} origin
 * @param {Bytes} spki
 */
export async function possessionStatement(challenge, origin, spki) {
  return joined(text.encode('qianda-key-v1'), challenge, await sha256(text.encode(origin)), spki);
}

/** ECDSA over SHA-256 as raw r‖s, 64 bytes. @param {CryptoKey} privateKey @param {Bytes} bytes */
export async function signWith(privateKey, bytes) {
  return new Uint8Array(await crypto.subtle.sign(ECDSA, privateKey, bytes));
}

/** @param {CertifiedKey} key */
export const keep = (key) => store('readwrite', (keys) => keys.put({ ...key, until: Date.now() + LIFE_MS }, CURRENT));

/** The key of this visit with its certificate, if one is kept; one whose visit is over is deleted. @returns {Promise<CertifiedKey | null>} */
export async function kept() {
  /** @type {CertifiedKey & { until: number } | undefined} */
  const key = await store('readonly', (keys) => keys.get(CURRENT));
  if (key && key.until > Date.now()) return key;
  if (key) await forget();
  return null;
}

/** Delete the key. True if it is really gone. */
export async function forget() {
  await store('readwrite', (keys) => keys.delete(CURRENT));
  return await store('readonly', (keys) => keys.get(CURRENT)) === undefined;
}
