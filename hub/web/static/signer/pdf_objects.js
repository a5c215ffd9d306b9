// Read PDF objects (ISO 32000-2 7.3) in the form that the hub writes. Everything else that the format allows is refused,
// because a change could hide where two readers understand a file differently. The rules are in docs/file-format.md, and
// `qianda/pdf/objects.py` follows the same ones.

export class NotCanonical extends Error {}

// Printable ASCII without the delimiters and `#`: to other readers, `/Conten#74s` is `/Contents`.
const REGULAR = '[!"$&\'*-.0-;=?-Z\\\\^-z|~]';
const END = `(?!${REGULAR})`; // a token ends at a delimiter, at white space or at the end of the file
const SKIP = /[ \n]*/y;
const REFERENCE = new RegExp(`([1-9]\\d{0,6}) 0 R${END}`, 'y');
const NUMBER = new RegExp(`-?(?:\\d{1,15}(?:\\.\\d{1,15})?|\\.\\d{1,15})${END}`, 'y');
const NAME = new RegExp(`/${REGULAR}{1,127}${END}`, 'y');
const WORD = new RegExp(`(?:true|false|null)${END}`, 'y');
const HEX = /<(?:[0-9A-Fa-f]{2})*>/y;
const LITERAL_PART = /[ -'*-[\]-~\x80-\xff]+|\\(?:([0-3][0-7]{2})|[nrtbf()\\])|[()]/y;
/** @type {Record<string, string>} */
const ESCAPED = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' };
const DEEPEST = 50;

export class Reference {
  /** @param {number} number */
  constructor(number) {
    this.number = number;
  }
}

/** A number with a fraction. 1, 1.0 and true are three different values. */
export class Real {
  /** @param {number} number */
  constructor(number) {
    this.number = number;
  }

  valueOf() {
    return this.number;
  }
}

/** @param {PdfValue | undefined} value @returns {value is number | Real} */
export const isNumber = (value) => typeof value === 'number' || value instanceof Real;

/** @param {PdfValue | undefined} value @returns {value is number} */
export const isInteger = (value) => Number.isInteger(value);

/** A position in a file. In `text`, each byte of the file is one character. */
export class Reader {
  /** @param {string} text */
  constructor(text, at = 0) {
    this.text = text;
    this.at = at;
  }

  /** Return the match of `pattern` (sticky) at this position, and move to its end; null if it does not match. @param {RegExp} pattern */
  take(pattern) {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text);
    if (match) this.at = pattern.lastIndex;
    return match;
  }

  /** @param {RegExp} pattern */
  need(pattern) {
    const match = this.take(pattern);
    if (!match) throw new NotCanonical(`the bytes at ${this.at} are not what the hub writes there`);
    return match;
  }

  /** Read a dictionary as a Map, an array as an Array, a name with its "/", a string with a "(" before its bytes. @returns {PdfValue} */
  value(depth = 0) {
    this.need(SKIP);
    const open = this.text.startsWith('<<', this.at) ? '<<' : this.text[this.at];
    if ((open === '<<' || open === '[') && depth >= DEEPEST) throw new NotCanonical('the objects are nested too deeply');
    if (open === '<<') return this.#dictionary(depth);
    if (open === '[') return this.#array(depth);
    if (open === '(') return this.#literal();
    let match;
    if ((match = this.take(REFERENCE))) return new Reference(Number(match[1]));
    if ((match = this.take(NUMBER))) return numberOf(match[0]);
    if ((match = this.take(NAME))) return match[0];
    if ((match = this.take(WORD))) return match[0] === 'null' ? null : match[0] === 'true';
    return `(${bytesOf(this.need(HEX)[0].slice(1, -1))}`;
  }

  /** @param {number} depth */
  #dictionary(depth) {
    /** @type {PdfDictionary} */
    const entries = new Map();
    this.at += 2;
    for (;;) {
      this.need(SKIP);
      if (this.take(/>>/y)) return entries;
      const name = this.need(NAME)[0];
      if (entries.has(name)) throw new NotCanonical(`${name} occurs twice in a dictionary`);
      entries.set(name, this.value(depth + 1));
    }
  }

  /** @param {number} depth */
  #array(depth) {
    /** @type {PdfValue[]} */
    const items = [];
    this.at += 1;
    for (;;) {
      this.need(SKIP);
      if (this.take(/\]/y)) return items;
      items.push(this.value(depth + 1));
    }
  }

  #literal() {
    const parts = [];
    let open = 0;
    do {
      const [part, octal] = this.need(LITERAL_PART);
      open += part === '(' ? 1 : part === ')' ? -1 : 0;
      if (octal !== undefined) parts.push(String.fromCharCode(parseInt(octal, 8) & 255));
      else if (part.startsWith('\\')) parts.push(ESCAPED[part.slice(1)] ?? part.slice(1));
      else parts.push(part);
    } while (open > 0);
    return parts.join('').slice(0, -1); // the outer "(" stays as the mark of a string
  }
}

/**
 * Return the canonical text of a value: equal texts mean equal values.
 * @param {PdfValue | undefined} value
 * @returns {string}
 */
export function canonical(value) {
  if (value instanceof Reference) return `${value.number} 0 R`;
  if (value instanceof Real) return `real ${value.number}`;
  if (Array.isArray(value)) return `[${value.map(canonical).join(' ')}]`;
  if (value instanceof Map) {
    const entries = [...value].map(([name, entry]) => `${JSON.stringify(name)} ${canonical(entry)}`);
    return `<<${entries.sort().join(' ')}>>`;
  }
  return JSON.stringify(value) ?? '';
}

/**
 * Yield the numbers of the objects that a value refers to, each as often as it occurs.
 * @param {PdfValue | undefined} value
 * @returns {Generator<number>}
 */
export function* mentioned(value) {
  if (value instanceof Reference) yield value.number;
  else if (Array.isArray(value) || value instanceof Map) {
    for (const entry of value.values()) yield* mentioned(entry);
  }
}

/** @param {Uint8Array} bytes */
export function textOf(bytes) {
  const parts = [];
  for (let at = 0; at < bytes.length; at += 8192) parts.push(String.fromCharCode(...bytes.subarray(at, at + 8192)));
  return parts.join('');
}

/** @param {string} written */
function numberOf(written) {
  const number = Number(written);
  if (written.includes('.')) return new Real(number);
  if (!Number.isSafeInteger(number)) throw new NotCanonical('a number is too large');
  return number;
}

/** @param {string} digits */
const bytesOf = (digits) => digits.replace(/../g, (pair) => String.fromCharCode(parseInt(pair, 16)));
