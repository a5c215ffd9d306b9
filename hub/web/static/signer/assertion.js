// Check whether a passkey's answer was made by the key with this public key. The page relies only on its own check (W3C Web
// Authentication 7.2, steps 19 and 20). ECDSA on P-256 and RSA PKCS#1 v1.5, both with SHA-256.

import { joined, sha256 } from './checks.js';
import { NotDer, TAG, children, hex, read } from './der.js';

const RSA_ENCRYPTION = '06092a864886f70d010101'; // DER of the object identifier
const RSA = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const HALF = 32; // bytes of each number in a signature on P-256

/**
 * Return whether the answer was made by this key. `spki`: in DER. False also for another kind of key.
 * @param {Bytes} spki
 * @param {AuthenticatorAssertionResponse} response
 */
export async function isAnswerOf(spki, response) {
  const signature = new Uint8Array(response.signature);
  try {
    const [algorithm] = children(children(read(spki), TAG.sequence)[0], TAG.sequence);
    if (!algorithm) return false;
    const [kind, value] = hex(algorithm.whole) === RSA_ENCRYPTION ? [RSA, signature] : [ECDSA, rawOf(signature)];
    const key = await crypto.subtle.importKey('spki', spki, kind, false, ['verify']);
    const client = await sha256(new Uint8Array(response.clientDataJSON));
    return await crypto.subtle.verify(kind, key, value, joined(new Uint8Array(response.authenticatorData), client));
  } catch {
    return false;
  }
}

/** Return r‖s, which WebCrypto needs. Passkeys write an ECDSA signature as a SEQUENCE of two INTEGERs. @param {Bytes} signature */
function rawOf(signature) {
  const [r, s] = children(read(signature), TAG.sequence).map(({ content }) => {
    const digits = content.length > HALF ? content.subarray(content.length - HALF) : content;
    return joined(new Uint8Array(HALF - digits.length), digits);
  });
  if (!r || !s) throw new NotDer('a signature without its two numbers');
  return joined(r, s);
}
