// A reader for the little DER that the checks before a signature need (ITU-T X.690, 8.1 and 10 to 11). It takes less than
// DER allows, and nothing that DER forbids: what it accepts, every other reader understands in the same way.

export const TAG = { integer: 0x02, octetString: 0x04, null: 0x05, oid: 0x06, sequence: 0x30, set: 0x31 };
const LONGEST_LENGTH = 2; // bytes that a length in the long form may take

export class NotDer extends Error {}

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
export const same = (left, right) => left.length === right.length && left.every((byte, at) => byte === right[at]);

/** The one element that fills `data` to its last byte: {tag, content, whole}. */
export function read(data) {
  const element = elementAt(data, 0);
  if (element.whole.length !== data.length) throw new NotDer('something follows the value');
  return element;
}

/** The parts of a constructed value, which must carry `tag`. */
export function children(element, tag) {
  if (!element || element.tag !== tag) throw new NotDer('another kind of value was expected');
  const found = [];
  for (let at = 0; at < element.content.length; at += found.at(-1).whole.length) found.push(elementAt(element.content, at));
  return found;
}

export function only(elements) {
  if (elements.length !== 1) throw new NotDer('more or fewer values than one');
  return elements[0];
}

function elementAt(data, at) {
  if (at + 2 > data.length || (data[at] & 0x1f) === 0x1f) throw new NotDer('cut short, or a tag of several bytes');
  const { length, start } = lengthAt(data, at + 1);
  const end = start + length;
  if (end > data.length) throw new NotDer('cut short');
  return { tag: data[at], content: data.subarray(start, end), whole: data.subarray(at, end) };
}

function lengthAt(data, at) {
  const first = data[at];
  if (first < 0x80) return { length: first, start: at + 1 };
  const count = first & 0x7f;
  const digits = data.subarray(at + 1, at + 1 + count);
  if (count < 1 || count > LONGEST_LENGTH || digits.length !== count) throw new NotDer('a length of another form');
  const length = digits.reduce((sum, byte) => sum * 256 + byte, 0);
  if (length < 0x80 || digits[0] === 0) throw new NotDer('a length that is not written in its shortest form');
  return { length, start: at + 1 + count };
}
