// The revisions of a PDF (ISO 32000-2 7.5.4 to 7.5.6), read from its first byte to its last: objects, a plain table of
// exactly these objects, a trailer, and again. There is no byte that a reader which follows the tables could take for
// something else; files with object streams or cross-reference streams do not pass.

import { NotCanonical, Reader } from './pdf_objects.js';

const HEADER = /%PDF-[12]\.\d[\r\n]+(?:%[^\r\n]*[\r\n]+)?/y;
const OBJECT = /(\d{1,7}) 0 obj[ \r\n]/y;
const STREAM = /[ \r\n]*stream\r?\n/y;
const STREAM_ENDS = /(?:\r?\n)?endstream/y;
const OBJECT_ENDS = /[ \r\n]*endobj[ \r\n]+/y;
const TABLE = /xref\r?\n/y;
const SUBSECTION = /(\d{1,7}) (\d{1,6})\r?\n/y;
const ENTRY = /(\d{10}) (\d{5}) ([nf])(?: \n| \r|\r\n)/y;
const TRAILER = /trailer[ \r\n]*(?=<<)/y;
const START = /[ \r\n]*startxref[ \r\n]+(\d{1,10})[ \r\n]+%%EOF/y;
const LINE_ENDS = /[\r\n]*/y;
const HIDDEN = new Set(['/ObjStm', '/XRef']);

/** `objects`: by number, each with `start`, `value`, `stream` (its bytes) or null, and `end` in the file. */
export function readRevisions(text) {
  const reader = new Reader(text);
  const revisions = [];
  reader.need(HEADER);
  reader.need(LINE_ENDS);
  while (reader.at < text.length) {
    revisions.push(readRevision(reader, revisions.at(-1)));
    reader.need(LINE_ENDS);
  }
  return revisions;
}

function readRevision(reader, previous) {
  const start = reader.at;
  const objects = new Map();
  for (let found; (found = readObject(reader)); ) {
    if (objects.has(found.number)) throw new NotCanonical(`object ${found.number} stands twice in a revision`);
    objects.set(found.number, found);
  }
  const table = reader.at;
  checkTable(reader, objects);
  reader.need(TRAILER);
  const trailer = reader.value();
  if (Number(reader.need(START)[1]) !== table) throw new NotCanonical('startxref does not name the table before it');
  if (trailer.get('/Prev') !== previous?.table) throw new NotCanonical('/Prev does not name the revision before');
  if (!(trailer.get('/Size') > Math.max(...objects.keys()))) throw new NotCanonical('/Size is too small');
  return { start, end: reader.at, table, objects, trailer };
}

function readObject(reader) {
  const start = reader.at;
  const match = reader.take(OBJECT);
  if (!match) return null;
  const value = reader.value();
  // Some readers take the first table of a linearized file of the right length, not the last one.
  if (value instanceof Map && value.has('/Linearized')) throw new NotCanonical('the file is linearized');
  const stream = value instanceof Map && reader.take(STREAM) ? readStream(reader, value) : null;
  reader.need(OBJECT_ENDS);
  return { number: Number(match[1]), start, end: reader.at, value, stream };
}

function readStream(reader, dictionary) {
  const length = dictionary.get('/Length');
  if (!Number.isInteger(length) || length < 0) throw new NotCanonical('a stream does not say its length');
  if (HIDDEN.has(dictionary.get('/Type'))) throw new NotCanonical('objects are hidden in a stream');
  const bytes = reader.text.slice(reader.at, (reader.at += length));
  reader.need(STREAM_ENDS);
  return bytes;
}

/** Every object of the revision has its entry, at its place; no entry names anything else. */
function checkTable(reader, objects) {
  const listed = new Set();
  reader.need(TABLE);
  for (let section; (section = reader.take(SUBSECTION)); ) {
    for (let number = Number(section[1]), left = Number(section[2]); left > 0; number++, left--) {
      const [, offset, generation, kind] = reader.need(ENTRY);
      if (kind === 'f' && number === 0 && Number(offset) === 0) continue;
      const place = objects.get(number)?.start;
      if (kind !== 'n' || Number(generation) !== 0 || Number(offset) !== place || listed.has(number)) {
        throw new NotCanonical(`the table is wrong about object ${number}`);
      }
      listed.add(number);
    }
  }
  if (listed.size !== objects.size) throw new NotCanonical('the table leaves objects out');
}
