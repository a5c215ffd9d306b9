// A passkey of the person's own device confirms the very request, where there is one: an offer, never a condition
// (W3C Web Authentication). Made once for each device, then used again; what this browser remembers of it is its id alone.

import { sha256 } from './checks.js';
import { json } from './session.js';

const MADE_HERE = 'qianda-passkeys';
const MOST_KEPT = 20;
const ALGORITHMS = [-7, -257]; // ECDSA on P-256, RSA
const LONGEST_ASKED = 60000;
const bytesOf = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
const base64Of = (buffer) => btoa(Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join(''));

/** Whether this device can verify its user, by fingerprint, face or screen lock. */
export async function passkeysWorkHere() {
  try {
    return !/MicroMessenger/i.test(navigator.userAgent)
      && 'getAuthenticatorData' in AuthenticatorAttestationResponse.prototype
      && await PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable();
  } catch {
    return false;
  }
}

/** The passkey's answer to exactly these signed attributes, as `signature` takes it. */
export async function confirmation(toBeSigned, contract, names) {
  const known = await json('passkeys', { id: contract });
  const ids = await usable(known, contract, names);
  const answer = await navigator.credentials.get({
    publicKey: {
      challenge: await sha256(toBeSigned), rpId: known.rp_id, userVerification: 'required', timeout: LONGEST_ASKED,
      allowCredentials: ids.map((id) => ({ type: 'public-key', id: bytesOf(id), transports: ['internal'] })),
    },
  });
  return {
    credential: base64Of(answer.rawId), authenticator_data: base64Of(answer.response.authenticatorData),
    client_data: base64Of(answer.response.clientDataJSON), signature: base64Of(answer.response.signature),
  };
}

/** The ids to ask for: those made in this browser, else a fresh one, else all that this device turns out to have. */
async function usable(known, contract, names) {
  const here = madeHere().filter((id) => known.credentials.includes(id));
  if (here.length) return here;
  try {
    return [await fresh(known, contract, names)];
  } catch (error) {
    if (error.name !== 'InvalidStateError') throw error;
    return known.credentials; // it has one already: made in another browser, or come by its owner's account
  }
}

async function fresh(known, contract, { school, person }) {
  const made = await navigator.credentials.create({
    publicKey: {
      rp: { id: known.rp_id, name: school }, user: { id: bytesOf(known.user), name: person, displayName: person },
      challenge: bytesOf(known.challenge), pubKeyCredParams: ALGORITHMS.map((alg) => ({ type: 'public-key', alg })),
      authenticatorSelection: { authenticatorAttachment: 'platform', residentKey: 'discouraged', userVerification: 'required' },
      excludeCredentials: known.credentials.map((id) => ({ type: 'public-key', id: bytesOf(id) })),
      attestation: 'none', timeout: LONGEST_ASKED,
    },
  });
  const body = {
    authenticator_data: base64Of(made.response.getAuthenticatorData()), client_data: base64Of(made.response.clientDataJSON),
  };
  const { credential } = await json('passkeys', { body, id: contract });
  remember(credential);
  return credential;
}

function madeHere() {
  try {
    return JSON.parse(localStorage.getItem(MADE_HERE)) || [];
  } catch {
    return [];
  }
}

function remember(credential) {
  try {
    localStorage.setItem(MADE_HERE, JSON.stringify([credential, ...madeHere()].slice(0, MOST_KEPT)));
  } catch { /* then the device is asked another time */ }
}
