// Reads PDF objects (ISO 32000-2 7.3) in the one spelling that the hub writes; whatever else the format allows is
// refused, because two readers that understand a file differently are how a change is hidden.

export class NotCanonical extends Error {}

const SPACE = ' \\n\\r\\t';
const REGULAR = '[^\\0-\\x20\\x7f()<>\\[\\]{}/%]';
const END = `(?!${REGULAR})`; // a token ends where a delimiter, white space or the file does
const SKIP = new RegExp(`[${SPACE}]*`, 'y');
const REFERENCE = new RegExp(`(\\d{1,7}) 0 R${END}`, 'y'); // readers limit the digits differently
const NUMBER = new RegExp(`[+-]?(?:\\d{1,15}(?:\\.\\d{0,15})?|\\.\\d{1,15})${END}`, 'y');
const NAME = new RegExp(`/(${REGULAR}*)`, 'y');
const WORD = new RegExp(`(true|false|null)${END}`, 'y');
const HEX = new RegExp(`<([0-9A-Fa-f${SPACE}]*)>`, 'y');
const LITERAL_PART = /[^()\\]+|\\(?:([0-7]{1,3})|\r\n|[^])|[()]/y;
const ESCAPED = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f', '\r': '', '\n': '' };
const DEEPEST = 50;

export class Reference {
  constructor(number) {
    this.number = number;
  }
}

/** A place in a file, whose bytes stand in `text` as one character each. */
export class Reader {
  constructor(text, at = 0) {
    this.text = text;
    this.at = at;
  }

  /** What `pattern` (sticky) matches here, or null; goes on behind it. */
  take(pattern) {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text);
    if (match) this.at = pattern.lastIndex;
    return match;
  }

  need(pattern) {
    const match = this.take(pattern);
    if (!match) throw new NotCanonical(`the bytes at ${this.at} are not what the hub writes there`);
    return match;
  }

  /** Dictionaries as Map, arrays as Array, names with their "/", strings with a "(" before their bytes. */
  value(depth = 0) {
    if (depth > DEEPEST) throw new NotCanonical('the objects are nested too deeply');
    this.need(SKIP);
    if (this.text.startsWith('<<', this.at)) return this.#dictionary(depth);
    if (this.text[this.at] === '[') return this.#array(depth);
    if (this.text[this.at] === '(') return this.#literal();
    let match;
    if ((match = this.take(REFERENCE))) return new Reference(Number(match[1]));
    if ((match = this.take(NUMBER))) return Number(match[0]);
    if ((match = this.take(NAME))) return `/${nameOf(match[1])}`;
    if ((match = this.take(WORD))) return { true: true, false: false, null: null }[match[1]];
    return `(${bytesOf(this.need(HEX)[1])}`;
  }

  #dictionary(depth) {
    const entries = new Map();
    this.at += 2;
    for (;;) {
      this.need(SKIP);
      if (this.take(/>>/y)) return entries;
      const name = `/${nameOf(this.need(NAME)[1])}`;
      if (entries.has(name)) throw new NotCanonical(`${name} stands twice in a dictionary`);
      entries.set(name, this.value(depth + 1));
    }
  }

  #array(depth) {
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
      else if (part[0] === '\\') parts.push(ESCAPED[part[1]] ?? part[1]);
      else parts.push(part);
    } while (open > 0);
    return parts.join('').slice(0, -1); // the outer "(" stays, as the mark of a string
  }
}

/** One text for all spellings of a value, so that equal texts mean equal values. */
export function canonical(value) {
  if (value instanceof Reference) return `${value.number} 0 R`;
  if (Array.isArray(value)) return `[${value.map(canonical).join(' ')}]`;
  if (value instanceof Map) {
    const entries = [...value].map(([name, entry]) => `${JSON.stringify(name)} ${canonical(entry)}`);
    return `<<${entries.sort().join(' ')}>>`;
  }
  return JSON.stringify(value) ?? '';
}

/** The numbers of the objects that a value refers to, as often as it does. */
export function* mentioned(value) {
  if (value instanceof Reference) yield value.number;
  else if (Array.isArray(value) || value instanceof Map) {
    for (const entry of value.values()) yield* mentioned(entry);
  }
}

export function textOf(bytes) {
  const parts = [];
  for (let at = 0; at < bytes.length; at += 8192) parts.push(String.fromCharCode(...bytes.subarray(at, at + 8192)));
  return parts.join('');
}

function nameOf(written) {
  if (/#(?![0-9A-Fa-f]{2})/.test(written)) throw new NotCanonical('a name is misspelled');
  return written.replace(/#(..)/g, (_, code) => String.fromCharCode(parseInt(code, 16)));
}

function bytesOf(written) {
  const digits = written.replace(/[^0-9A-Fa-f]/g, '');
  return (digits.length % 2 ? `${digits}0` : digits).replace(/../g, (pair) => String.fromCharCode(parseInt(pair, 16)));
}
