// Check the picture of a signature. It lies over a page that others have signed, so it must not put another text in place of
// one below it. `qianda/verify/pdf/ink.py` follows the same rule, and also reads compressed contents.

import { RefusedToSign } from './checks.js';
import { Reference, isNumber } from './pdf_objects.js';

// Points. The place of a picture must be too small to hide much.
const MAX_BOX = { side: 300, area: 25000 };
const PICTURE_ENTRIES = new Set(
  ['Type', 'Subtype', 'FormType', 'BBox', 'Resources', 'Length'].map((name) => `/${name}`),
);
// Contents that do nothing but draw one form in certain graphics states, and contents that draw nothing.
const FRAME = /^(?:q |\/[A-Za-z]+ gs |(?:-?\d+(?:\.\d+)? ){6}cm )+\/[A-Za-z]+ Do(?: Q)*$/;
const EMPTY = /^[qQ \n]*$/;
// A group, and functions that make dark colours light.
const BANNED = ['/Group', '/TR', '/TR2'];

/** @param {string} reason @returns {never} */
export function refuse(reason) {
  throw new RefusedToSign(1, reason);
}

/** @param {PdfValue | undefined} corners */
export function checkBox(corners) {
  const { left, bottom, right, top } = sides(corners);
  if (Math.max(right - left, top - bottom) > MAX_BOX.side || (right - left) * (top - bottom) > MAX_BOX.area) {
    refuse('the field is too large for a signature');
  }
}

/**
 * Refuse a field that overlaps another one: one picture could be the ground on which the other shows a text, and both would
 * cover what is below.
 * @param {PdfValue | undefined} corners
 * @param {(PdfValue | undefined)[]} others
 */
export function checkApart(corners, others) {
  const own = sides(corners);
  for (const each of others.map(sides)) {
    if (own.left < each.right && each.left < own.right && own.bottom < each.top && each.bottom < own.top) {
      refuse('the field lies over another one');
    }
  }
}

/**
 * Check the picture of a signature. A reader fits /BBox, turned by /Matrix, into the field's /Rect and cuts off what is
 * outside (ISO 32000-2 12.5.5). If /BBox has no area, there is nothing to fit, and readers differ. The hub writes no
 * /Matrix.
 * @param {PdfObject} picture
 * @param {(number: number) => PdfValue | undefined} read
 */
export function checkPicture({ value, stream }, read) {
  if (stream === null || !(value instanceof Map) || value.get('/Subtype') !== '/Form') refuse("the field's picture is none");
  if (![...value.keys()].every((name) => PICTURE_ENTRIES.has(name))) refuse('the picture has unknown entries');
  const { left, bottom, right, top } = sides(value.get('/BBox'));
  if (left === right || bottom === top) refuse('the picture has no bounds');
  if (!EMPTY.test(stream)) checkMultiplied(value, stream, read);
}

/**
 * Check that the picture is multiplied with the page (11.3.5.2), so that text below it shows through. In a group, it would
 * first be mixed with the rest of the group.
 * @param {PdfDictionary} picture
 * @param {string} stream
 * @param {(number: number) => PdfValue | undefined} read
 */
function checkMultiplied(picture, stream, read) {
  const states = entry(entry(picture, '/Resources'), '/ExtGState');
  const named = [...stream.matchAll(/(\/[A-Za-z]+) gs /g)].map((found) => entry(states, found[1] ?? ''));
  if (!FRAME.test(stream) || !named.some((state) => entry(state, '/BM') === '/Multiply')) {
    refuse('the picture could hide what is below it');
  }
  /** @type {Set<number>} */
  const seen = new Set();
  /** @type {(PdfValue | undefined)[]} */
  const waiting = [picture];
  while (waiting.length) {
    const one = waiting.pop();
    if (one instanceof Reference && !seen.has(one.number)) {
      seen.add(one.number);
      waiting.push(read(one.number));
    } else if (Array.isArray(one)) waiting.push(...one);
    else if (one instanceof Map) {
      const isBanned = BANNED.some((name) => one.has(name)) || (one.get('/BM') ?? '/Multiply') !== '/Multiply';
      if (isBanned) refuse('the picture could hide what is below it');
      waiting.push(...one.values());
    }
  }
}

/** @param {PdfValue | undefined} value @param {string} name */
const entry = (value, name) => (value instanceof Map ? value.get(name) : undefined);

/**
 * @typedef {number | import('./pdf_objects.js').Real} Measure
 * @param {PdfValue | undefined} value
 * @returns {value is [Measure, Measure, Measure, Measure]}
 */
const isBox = (value) => Array.isArray(value) && value.length === 4 && value.every(isNumber);

/** @param {PdfValue | undefined} corners */
function sides(corners) {
  if (!isBox(corners)) refuse('a place without four corners');
  const [x, y, otherX, otherY] = [Number(corners[0]), Number(corners[1]), Number(corners[2]), Number(corners[3])];
  return { left: Math.min(x, otherX), bottom: Math.min(y, otherY), right: Math.max(x, otherX), top: Math.max(y, otherY) };
}
