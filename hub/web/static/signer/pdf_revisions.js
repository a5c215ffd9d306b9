// Split a PDF into its revisions (ISO 32000-2 7.5.4 to 7.5.6). Each consists of objects, a plain table of exactly these
// objects, and a trailer, and every byte belongs to one of them. So a reader that follows the tables, and a reader that
// searches the file for objects, find the same objects. The rules are in docs/file-format.md, and `qianda/pdf/revisions.py`
// follows the same ones.

import { NotCanonical, Reader, isInteger } from './pdf_objects.js';

const MAX_REVISIONS = 64;
const MAX_OBJECTS = 50000;
const MAX_DICTIONARIES = 500000;
const MAX_SEPARATORS_OUTSIDE_STREAMS = 6 << 20;
// White space, delimiters and backslashes, as `qianda/pdf/separators.py` counts them.
const SEPARATORS = new Set([...'\0\t\n\f\r ()<>[]{}/%\\'].map((each) => each.charCodeAt(0)));
const IS_SEPARATOR = Uint8Array.from({ length: 256 }, (_, code) => Number(SEPARATORS.has(code)));
const HEADER = /%PDF-[12]\.\d\n%[^\r\n%]{4}\n\n?/y;
const OBJECT = /([1-9]\d{0,6}) 0 obj\n/y;
const STREAM = /\nstream\n/y;
const STREAM_ENDS = /\nendstream/y;
const OBJECT_ENDS = /\nendobj\n/y;
const TABLE = /xref\n/y;
const SECTION = /(0|[1-9]\d{0,6}) ([1-9]\d{0,5})\n/y;
const FREE_ROW = /0000000000 65535 f(?: \n|\r\n)/y;
const ROW = /(\d{10}) 00000 n(?: \n|\r\n)/y;
const TRAILER = /trailer\n(?=<<)/y;
const END = /\nstartxref\n([1-9]\d{0,9})\n%%EOF\n/y;
/** @type {Set<PdfValue | undefined>} */
const HIDDEN = new Set(['/ObjStm', '/XRef']);
// Text in a stream or a string that a reader could take for an object if it searches the file for objects.
const MARKER = /\d[\0\t\n\f\r ]+\d+[\0\t\n\f\r ]+obj|endobj|endstream|startxref|trailer[ \t\n\v\f\r]*<<|%%EOF/;

/** Return all revisions, oldest first. @param {string} text */
export function readRevisions(text) {
  const isLong = count(text, ' 0 obj\n') > MAX_OBJECTS || count(text, '%%EOF\n') > MAX_REVISIONS;
  if (isLong || isLargerOutsideStreams(text)) {
    throw new NotCanonical('the file has too many objects or revisions, or too large ones');
  }
  const reader = new Reader(text);
  /** @type {Revision[]} */
  const revisions = [];
  reader.need(HEADER);
  while (reader.at < text.length) revisions.push(readRevision(reader, revisions.at(-1)));
  if (!revisions.length) throw new NotCanonical('the file has no objects');
  return revisions;
}

/** @param {string} text @param {string} word */
function count(text, word) {
  let found = 0;
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length)) found += 1;
  return found;
}

/** Return whether more is to be read as objects and tables than `qianda/pdf/revisions.py` allows. @param {string} text */
function isLargerOutsideStreams(text) {
  let [at, separators, dictionaries] = [0, 0, 0];
  while (at >= 0 && at < text.length && separators <= MAX_SEPARATORS_OUTSIDE_STREAMS && dictionaries <= MAX_DICTIONARIES) {
    const begin = text.indexOf('\nstream\n', at);
    const data = begin < 0 ? text.length : begin + '\nstream\n'.length;
    for (let each = at; each < data; each += 1) separators += IS_SEPARATOR[text.charCodeAt(each)] ?? 0;
    dictionaries += count(text.slice(at, data), '<<');
    at = text.indexOf('\nendstream', data);
  }
  return separators > MAX_SEPARATORS_OUTSIDE_STREAMS || dictionaries > MAX_DICTIONARIES;
}

/** @param {Reader} reader @param {Revision | undefined} previous @returns {Revision} */
function readRevision(reader, previous) {
  const start = reader.at;
  /** @type {PdfObjects} */
  const objects = new Map();
  for (let found; (found = readObject(reader)); ) {
    if (objects.has(found.number)) throw new NotCanonical(`object ${found.number} occurs twice in a revision`);
    objects.set(found.number, found);
  }
  const table = reader.at;
  checkTable(reader, objects, !previous);
  reader.need(TRAILER);
  const trailer = reader.value();
  if (!(trailer instanceof Map)) throw new NotCanonical('the trailer is no dictionary');
  if (Number(reader.need(END)[1]) !== table) throw new NotCanonical('startxref does not name the table before it');
  checkTrailer(trailer, Math.max(...objects.keys()), previous);
  return { start, end: reader.at, table, objects, trailer };
}

/** @param {Reader} reader @returns {WrittenObject | null} */
function readObject(reader) {
  const start = reader.at;
  const match = reader.take(OBJECT);
  if (!match) return null;
  const written = reader.at;
  const value = reader.value();
  if (MARKER.test(reader.text.slice(written, reader.at))) {
    throw new NotCanonical(`a text of object ${match[1]} looks like another object`);
  }
  // Some readers use the first table of a linearized file if its length is right, not the last one.
  if (value instanceof Map && value.has('/Linearized')) throw new NotCanonical('the file is linearized');
  const stream = value instanceof Map && reader.take(STREAM) ? readStream(reader, value) : null;
  reader.need(OBJECT_ENDS);
  return { number: Number(match[1]), start, end: reader.at, value, stream };
}

/** @param {Reader} reader @param {PdfDictionary} dictionary */
function readStream(reader, dictionary) {
  const length = dictionary.get('/Length');
  if (!isInteger(length) || length < 0 || length > reader.text.length - reader.at) {
    throw new NotCanonical('a stream does not say its length');
  }
  if (HIDDEN.has(dictionary.get('/Type')) || dictionary.has('/F')) {
    throw new NotCanonical('a stream contains or names what is not checked');
  }
  const bytes = reader.text.slice(reader.at, (reader.at += length));
  if (MARKER.test(bytes)) throw new NotCanonical('a stream holds what looks like another object');
  reader.need(STREAM_ENDS);
  return bytes;
}

/**
 * Check that every object of the revision has one row with its offset, in ascending order, and that there are no others.
 * @param {Reader} reader
 * @param {PdfObjects} objects
 * @param {boolean} isFirst
 */
function checkTable(reader, objects, isFirst) {
  /** @type {number[]} */
  const listed = [];
  reader.need(TABLE);
  for (let section; (section = reader.take(SECTION)); ) {
    for (let number = Number(section[1]), left = Number(section[2]); left > 0; number++, left--) {
      if (number === 0) reader.need(FREE_ROW);
      else if (Number(reader.need(ROW)[1]) !== objects.get(number)?.start) {
        throw new NotCanonical(`the table is wrong about object ${number}`);
      }
      listed.push(number);
    }
  }
  if (isFirst && listed[0] !== 0) throw new NotCanonical('the first table does not begin with object 0');
  if (listed.some((number, at) => number <= (listed[at - 1] ?? -1))) throw new NotCanonical('the table is not in order');
  const others = listed.filter((number) => number !== 0).length;
  if (!objects.size || others !== objects.size) throw new NotCanonical('the table leaves objects out');
}

/** @param {PdfDictionary} trailer @param {number} highest @param {Revision | undefined} previous */
function checkTrailer(trailer, highest, previous) {
  if (trailer.get('/Prev') !== previous?.table) throw new NotCanonical('/Prev does not name the revision before');
  const size = trailer.get('/Size');
  const before = previous?.trailer.get('/Size');
  const least = Math.max(highest + 1, isInteger(before) ? before : 0);
  if (!isInteger(size) || size < least || size > 10000000) {
    throw new NotCanonical('/Size is not the number of objects');
  }
  if (trailer.has('/Encrypt') || trailer.has('/XRefStm')) throw new NotCanonical('the file is encrypted, or has two tables');
}
