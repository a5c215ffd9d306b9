// Read the small part of DER that the checks before a signature need (ITU-T X.690, 8.1 and 10 to 11). It accepts only part
// of what DER allows, and nothing that DER forbids, so every other reader understands the data in the same way.

export const TAG = { integer: 0x02, octetString: 0x04, null: 0x05, oid: 0x06, sequence: 0x30, set: 0x31 };
const MAX_LENGTH_BYTES = 2; // number of bytes that a length in the long form may have

export class NotDer extends Error {}

/** @typedef {{ tag: number, content: Bytes, whole: Bytes }} Der One element; `whole` is with its tag and length. */

/** @param {Uint8Array} bytes */
export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
/** @param {Uint8Array} left @param {Uint8Array} right */
export const same = (left, right) => left.length === right.length && left.every((byte, at) => byte === right[at]);

/** Return the only element, which fills `data` to its last byte. @param {Bytes} data */
export function read(data) {
  const element = elementAt(data, 0);
  if (element.whole.length !== data.length) throw new NotDer('something follows the value');
  return element;
}

/**
 * Return the parts of a constructed value, which must have the tag `tag`.
 * @param {Der | undefined} element
 * @param {number} tag
 */
export function children(element, tag) {
  if (!element || element.tag !== tag) throw new NotDer('another kind of value was expected');
  /** @type {Der[]} */
  const found = [];
  for (let at = 0; at < element.content.length;) {
    const part = elementAt(element.content, at);
    found.push(part);
    at += part.whole.length;
  }
  return found;
}

/** @template T @param {T[]} elements */
export function only(elements) {
  const [first, ...others] = elements;
  if (first === undefined || others.length) throw new NotDer('more or fewer values than one');
  return first;
}

/** @param {Bytes} data @param {number} at @returns {Der} */
function elementAt(data, at) {
  const [tag, first] = data.subarray(at, at + 2);
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) {
    throw new NotDer('cut short, or a tag of several bytes');
  }
  const { length, start } = lengthAt(data, at + 1, first);
  const end = start + length;
  if (end > data.length) throw new NotDer('cut short');
  return { tag, content: data.subarray(start, end), whole: data.subarray(at, end) };
}

/** `first` is the byte at `at`. @param {Bytes} data @param {number} at @param {number} first */
function lengthAt(data, at, first) {
  if (first < 0x80) return { length: first, start: at + 1 };
  const count = first & 0x7f;
  const digits = data.subarray(at + 1, at + 1 + count);
  if (count < 1 || count > MAX_LENGTH_BYTES || digits.length !== count) throw new NotDer('a length of another form');
  const length = digits.reduce((sum, byte) => sum * 256 + byte, 0);
  if (length < 0x80 || digits[0] === 0) throw new NotDer('a length that is not written in its shortest form');
  return { length, start: at + 1 + count };
}
