// Prevent blind signing: the four checks before the key is used. A faulty or dishonest hub must not get a signature over
// anything but the document that was shown.
// Sources: RFC 5652 5.4 and 11 (signed attributes), RFC 5035 (signing-certificate-v2), ISO 32000-2 12.8.1 (byte range).

import { NotDer, TAG, children, hex, only, read, same } from './der.js';

/** @typedef {import('./der.js').Der} Der */
/** @typedef {{ origin: string, hash: Bytes }} NamedPasskey What a certificate says of a passkey: SHA-256 of its public key. */

const OID = { // the whole DER of each
  contentType: '06092a864886f70d010903',
  messageDigest: '06092a864886f70d010904',
  signingCertificateV2: '060b2a864886f70d010910022f',
};
const DATA = '06092a864886f70d010701';
const SHA256_IDENTIFIERS = ['0609608648016503040201', '06096086480165030402010500']; // without and with NULL
const DIRECTORY_NAME = 0xa4;
const VERSION = 0xa0;
const EXTENSIONS = 0xa3;
const IA5_STRING = 0x16;
const DIRECTORY_ATTRIBUTES = '0603551d09';
const PASSKEY_BINDING = '06146981e1f8c090d88bf2a2ab8dd59fbed295daea41'; // DER of the OID; see qianda/passkey_binding.py
const LESS_THAN = 0x3c;
const GREATER_THAN = 0x3e;
const ZERO = 0x30;

/** The prepared file is not what was shown. `number`: that of the failed check, 1 to 4. */
export class RefusedToSign extends Error {
  /** @param {number} number @param {string} reason */
  constructor(number, reason) {
    super(`${number}: ${reason}`);
    this.number = number;
  }
}

/** @param {Bytes} bytes */
export const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));

/** @param {Uint8Array[]} parts */
export function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * Throw RefusedToSign unless signing `toBeSigned` (DER SET) means signing the shown document with this certificate:
 * 1. The prepared file begins with the shown bytes.
 * 2. The byte range excludes one gap of zeros in <…> after them, and message-digest is the SHA-256 of the rest.
 * 3. signing-certificate-v2 is the signer's own certificate, which names no passkey except `passkey` ({origin, hash}).
 * 4. The attributes are content-type, message-digest and signing-certificate-v2, in strict DER, and no others.
 * @param {{
 *   shown: Bytes, prepared: Bytes, byteRange: unknown, toBeSigned: Bytes, certificate: Bytes, passkey?: NamedPasskey | null,
 * }} what
 */
export async function checkPrepared({ shown, prepared, byteRange, toBeSigned, certificate, passkey = null }) {
  const { messageDigest, signingCertificate } = attributesOf(toBeSigned);
  if (!shown.length || !same(prepared.subarray(0, shown.length), shown)) {
    throw new RefusedToSign(1, 'the prepared file does not begin with the bytes that were shown');
  }
  const digest = await digestOfRange(shown.length, prepared, byteRange);
  if (hex(messageDigest.whole) !== `0420${hex(digest)}`) {
    throw new RefusedToSign(2, 'the message digest is not the hash over the byte range');
  }
  if (!await namesOnly(signingCertificate, certificate)) {
    throw new RefusedToSign(3, "the attributes name somebody else's certificate");
  }
  checkPasskey(certificate, passkey);
}

/**
 * Refuse a foreign passkey: the issuer of the certificate could name one of its own, and confirm the signature with it.
 * @param {Bytes} certificate
 * @param {NamedPasskey | null} passkey
 */
function checkPasskey(certificate, passkey) {
  let named;
  try {
    named = passkeyNamedBy(certificate);
  } catch (error) {
    throw new RefusedToSign(3, `the passkey in the certificate cannot be read: ${wordsOf(error)}`);
  }
  if (named && !(passkey && named.origin === passkey.origin && same(named.hash, passkey.hash))) {
    throw new RefusedToSign(3, "the certificate names a passkey that is not this signer's");
  }
}

/** @param {unknown} error */
const wordsOf = (error) => (error instanceof Error ? error.message : String(error));

/** Return the values of the two attributes that matter, after checking all three. @param {Bytes} toBeSigned */
function attributesOf(toBeSigned) {
  let encodings, values;
  try {
    const attributes = children(read(toBeSigned), TAG.set);
    encodings = attributes.map((attribute) => hex(attribute.whole));
    values = new Map(attributes.map(typeAndValue));
  } catch (error) {
    throw new RefusedToSign(4, `the signed attributes cannot be read: ${wordsOf(error)}`);
  }
  if (encodings.some((encoding, at) => (encodings[at - 1] ?? '') > encoding)) {
    throw new RefusedToSign(4, 'the signed attributes are not in the order of DER');
  }
  const [contentType, messageDigest, signingCertificate] = Object.values(OID).map((oid) => values.get(oid));
  if (encodings.length !== Object.keys(OID).length || !contentType || !messageDigest || !signingCertificate) {
    throw new RefusedToSign(4, 'there are other attributes than the three allowed');
  }
  if (hex(contentType.whole) !== DATA) throw new RefusedToSign(4, 'the content type is not data');
  return { messageDigest, signingCertificate };
}

/** @param {Der} attribute @returns {[string, Der]} */
function typeAndValue(attribute) {
  const [type, values, ...rest] = children(attribute, TAG.sequence);
  if (type?.tag !== TAG.oid || rest.length) throw new Error('an attribute is a type and its values');
  return [hex(type.whole), only(children(values, TAG.set))];
}

/**
 * Return the SHA-256 over everything but the gap, which may contain only zeros and comes after the shown bytes.
 * @param {number} shownLength
 * @param {Bytes} prepared
 * @param {unknown} byteRange
 */
async function digestOfRange(shownLength, prepared, byteRange) {
  if (!isByteRange(byteRange)) throw new RefusedToSign(2, 'the byte range is not four numbers');
  const [start, gapAt, resumeAt, tail] = byteRange;
  const inside = shownLength <= gapAt && gapAt < resumeAt && resumeAt <= prepared.length;
  if (start !== 0 || resumeAt + tail !== prepared.length || !inside) {
    throw new RefusedToSign(2, 'the byte range leaves out more than the place of the signature');
  }
  const gap = prepared.subarray(gapAt, resumeAt);
  const zeros = gap.subarray(1, -1).every((byte) => byte === ZERO);
  if (gap.length < 4 || gap[0] !== LESS_THAN || gap.at(-1) !== GREATER_THAN || !zeros) {
    throw new RefusedToSign(2, 'the gap of the byte range is not an empty place for a signature');
  }
  return sha256(joined(prepared.subarray(0, gapAt), prepared.subarray(resumeAt)));
}

/** @param {unknown} range @returns {range is [number, number, number, number]} */
function isByteRange(range) {
  return Array.isArray(range) && range.length === 4 && range.every((n) => Number.isSafeInteger(n) && n >= 0);
}

/** SigningCertificateV2 with one ESSCertIDv2: [SHA-256], the certificate's hash, [its issuer and serial number].
 * @param {Der} value @param {Bytes} certificate */
async function namesOnly(value, certificate) {
  try {
    const identifiers = only(children(value, TAG.sequence)); // the optional policies are not allowed
    const parts = children(only(children(identifiers, TAG.sequence)), TAG.sequence);
    const algorithm = parts[0]?.tag === TAG.sequence ? parts.shift() : undefined;
    if (algorithm && !SHA256_IDENTIFIERS.includes(hex(algorithm.content))) return false;
    const [hash, reference, ...rest] = parts;
    if (hash?.tag !== TAG.octetString || !same(hash.content, await sha256(certificate))) return false;
    return !rest.length && (!reference || sameIssuer(reference, certificate));
  } catch {
    return false;
  }
}

/**
 * IssuerSerial ::= SEQUENCE { GeneralNames, CertificateSerialNumber }, with one directory name.
 * @param {Der} reference
 * @param {Bytes} certificate
 */
function sameIssuer(reference, certificate) {
  const fields = children(children(read(certificate), TAG.sequence)[0], TAG.sequence);
  const [serial, , issuer] = fields[0]?.tag === VERSION ? fields.slice(1) : fields;
  const [names, number, ...rest] = children(reference, TAG.sequence);
  const name = only(children(only(children(names, TAG.sequence)), DIRECTORY_NAME));
  if (!number || !serial || !issuer || rest.length) return false;
  return same(name.whole, issuer.whole) && same(number.whole, serial.whole);
}

/** Return the SubjectPublicKeyInfo of a certificate (RFC 5280 4.1), as written there. @param {Bytes} certificate */
export function publicKeyOf(certificate) {
  const fields = children(children(read(certificate), TAG.sequence)[0], TAG.sequence);
  const key = fields[fields[0]?.tag === VERSION ? 6 : 5];
  if (!key) throw new NotDer('a certificate without a public key');
  return key.whole;
}

/** Return the passkey that a certificate names; null if it names none. Throws what `read` throws. @param {Bytes} certificate */
export function passkeyNamedBy(certificate) {
  if (!includes(certificate, PASSKEY_BINDING)) return null; // `read` may not be able to read certificates of other authorities
  const fields = children(children(read(certificate), TAG.sequence)[0], TAG.sequence);
  const extensions = only(children(only(fields.filter(({ tag }) => tag === EXTENSIONS)), EXTENSIONS));
  const attributes = lastOf(extensions, DIRECTORY_ATTRIBUTES);
  if (attributes?.tag !== TAG.octetString) throw new NotDer("an extension's value is an octet string");
  const value = only(children(lastOf(read(attributes.content), PASSKEY_BINDING), TAG.set));
  const [origin, hash, ...rest] = children(value, TAG.sequence);
  if (origin?.tag !== IA5_STRING || hash?.tag !== TAG.octetString || hash.content.length !== 32 || rest.length) {
    throw new NotDer('a passkey is named by its origin and a hash');
  }
  if (origin.content.some((byte) => byte > 0x7f)) throw new NotDer('an origin is ASCII');
  return { origin: String.fromCharCode(...origin.content), hash: hash.content };
}

/**
 * Return the last part of the only sequence that begins with this object identifier.
 * @param {Der} sequences
 * @param {string} identifier
 */
function lastOf(sequences, identifier) {
  const parts = children(sequences, TAG.sequence).map((sequence) => children(sequence, TAG.sequence));
  return only(parts.filter(([id]) => id && hex(id.whole) === identifier)).at(-1);
}

/** Return whether the bytes contain these, which are given as hexadecimal digits. @param {Bytes} bytes @param {string} wanted */
function includes(bytes, wanted) {
  const length = wanted.length / 2;
  for (let at = 0; at + length <= bytes.length; at += 1) {
    if (hex(bytes.subarray(at, at + length)) === wanted) return true;
  }
  return false;
}
