// A check beyond the four: the bytes after the shown document must be a signature and nothing else.
// A file that begins with the shown bytes may still replace a page in the part that follows (ISO 32000-2 7.5.6), and the
// signature would cover that part too. So the new revision may add only objects to which nothing that was there refers.
// Of the earlier objects it may replace only the few that signing has to replace, and only in the few entries that signing
// has to change.

import { RefusedToSign } from './checks.js';
import { NotCanonical, Reference, canonical, mentioned, textOf } from './pdf_objects.js';
import { readRevisions } from './pdf_revisions.js';
import { checkApart, checkBox, checkPicture, refuse } from './picture.js';

const MAX_FILE_BYTES = 64 << 20;
// Flags of a field: invisible, hidden, not on the screen, or not there until it is touched (ISO 32000-2 12.5.3).
const HIDDEN = 1 + 2 + 32 + 256;
// Background and border, which only some readers paint over the page.
const DECORATION = ['/MK', '/BS', '/Border'];
const SIGNATURE_ENTRIES = new Set(
  ['Type', 'Filter', 'SubFilter', 'Contents', 'ByteRange', 'M', 'Name', 'Reference'].map((name) => `/${name}`),
);

/**
 * Throw RefusedToSign (number 1) if `prepared` changes more of `shown` than a signature has to.
 * @param {Uint8Array} shown
 * @param {Uint8Array} prepared
 */
export function checkUpdate(shown, prepared) {
  try {
    const text = beginsWithShown(shown, prepared);
    const revisions = readRevisions(text);
    const added = revisions.pop();
    const last = revisions.at(-1);
    if (!last || !added || last.end !== shown.length) {
      refuse('the prepared file is not one revision further than what was shown');
    }
    new Update(text, revisions, last, added).check();
  } catch (error) {
    if (error instanceof RefusedToSign) throw error;
    // A file that was made to break the reader is refused too.
    throw new RefusedToSign(1, error instanceof NotCanonical ? error.message : 'the prepared file cannot be read');
  }
}

/** @param {Uint8Array} shown @param {Uint8Array} prepared */
function beginsWithShown(shown, prepared) {
  if (prepared.length > MAX_FILE_BYTES) refuse('the prepared file is too large');
  if (!shown.length || !shown.every((byte, at) => byte === prepared[at])) {
    refuse('the prepared file does not begin with the bytes that were shown');
  }
  return textOf(prepared);
}

class Update {
  /** `last`: the last of the shown revisions. @param {string} text @param {Revision[]} shown @param {Revision} last @param {Revision} added */
  constructor(text, shown, last, added) {
    this.text = text;
    this.old = new Map(shown.flatMap((revision) => [...revision.objects]));
    this.added = added;
    this.trailer = last.trailer;
    /** @type {Map<number, number>} how often the shown document refers to an object, in whatever role */
    this.mentions = new Map();
    for (const value of [this.trailer, ...[...this.old.values()].map((object) => object.value)]) {
      for (const number of mentioned(value)) this.mentions.set(number, this.#mentionsOf(number) + 1);
    }
    this.root = numberOf(this.trailer.get('/Root'));
    this.catalog = dictionary(this.old.get(this.root));
    this.form = dictionaryAt(this.catalog.get('/AcroForm'), this.old);
    this.signature = 0; // the number of the new signature, once its field is found
  }

  check() {
    this.#checkTrailer();
    this.#checkMissing();
    const replaced = [...this.added.objects.values()].filter((object) => this.old.has(object.number));
    const fields = replaced.filter((object) => this.#isField(object.number));
    const [field, ...others] = fields;
    if (!field || others.length) refuse('not exactly one signature field is signed');
    for (const item of this.#itemsAt(this.form?.get('/Fields'))) checkShownAlike(dictionaryAt(item, this.old));
    this.#checkField(field);
    this.#checkSignature();
    for (const object of replaced) if (object !== field) this.#checkReplaced(object);
  }

  /** A reference to a missing object takes effect only when a revision, this one or a later one, adds that object. */
  #checkMissing() {
    for (const number of this.mentions.keys()) if (!this.old.has(number)) refuse(`object ${number} is missing`);
    const { trailer, objects } = this.added;
    for (const value of [trailer, ...[...objects.values()].map((object) => object.value)]) {
      for (const number of mentioned(value)) {
        if (!this.old.has(number) && !objects.has(number)) refuse(`object ${number} is missing`);
      }
    }
  }

  #checkTrailer() {
    const [before, after] = [this.trailer, this.added.trailer];
    allow(before, after, ['/Size', '/Prev', '/ID'], 'the trailer');
    const [old, fresh] = [before.get('/ID') ?? [], after.get('/ID') ?? []];
    if (!Array.isArray(old) || !Array.isArray(fresh) || canonical(old.slice(0, 1)) !== canonical(fresh.slice(0, 1))) {
      refuse('the file has another identity');
    }
  }

  /** @param {WrittenObject} object */
  #checkReplaced({ number, value, stream }) {
    const before = this.old.get(number);
    if (number === this.root) this.#checkCatalog(value, stream);
    else if (this.#isOnly(this.catalog.get('/AcroForm'), number)) {
      this.#checkForm(this.form, dictionary({ value, stream }));
    } else if (this.#isOnly(this.trailer.get('/Info'), number)) {
      const [old, fresh] = [dictionary(before), dictionary({ value, stream })];
      allow(old, fresh, ['/ModDate', '/Producer'], 'the document information');
      for (const name of ['/ModDate', '/Producer']) if (isContainer(fresh.get(name))) refuse(`${name} is no text`);
    } else if (this.#isOnly(this.catalog.get('/Metadata'), number)) {
      if (!isMetadata(before) || !isMetadata({ value, stream })) refuse('the metadata are something else');
    } else refuse(`object ${number} was replaced`);
  }

  /** @param {PdfValue} value @param {string | null} stream */
  #checkCatalog(value, stream) {
    const [old, fresh] = [this.catalog, dictionary({ value, stream })];
    const changed = allow(old, fresh, ['/Extensions', '/Version', '/Perms', '/Metadata', '/AcroForm'], 'the catalog');
    // Entries of the extensions could determine how a page is drawn, if the catalog were also one of its resources.
    if (this.#mentionsOf(this.root) !== 1 + this.#limitsOfSignatures()) refuse('the catalog is something else as well');
    if (changed.has('/Version') && fresh.get('/Version') !== '/2.0') refuse('the version of the format changes');
    if (changed.has('/Extensions') && refersAnywhere(fresh.get('/Extensions'))) refuse('the extensions hold objects');
    if (changed.has('/Perms')) {
      const permissions = canonical(new Map([['/DocMDP', new Reference(this.signature)]]));
      if (old.has('/Perms') || canonical(fresh.get('/Perms')) !== permissions) refuse('the permissions change');
    }
    if (changed.has('/Metadata')) {
      const metadata = this.#new(fresh.get('/Metadata'));
      if (old.has('/Metadata') || !isMetadata(metadata)) refuse('the metadata are something else');
    }
    if (changed.has('/AcroForm')) this.#checkForm(old.get('/AcroForm'), fresh.get('/AcroForm'));
  }

  /** Count how often signatures refer to the catalog as the object to which their limits apply (ISO 32000-2 12.8.1, /Data). */
  #limitsOfSignatures() {
    const values = this.#itemsAt(this.form?.get('/Fields')).map((field) => {
      return dictionaryAt(dictionaryAt(field, this.old)?.get('/V'), this.old);
    });
    // An object that is the value of two fields refers to the catalog only once.
    const limits = [...new Set(values)].flatMap((value) => {
      const references = value?.get('/Reference');
      return Array.isArray(references) ? references : [];
    });
    return limits.filter((each) => each instanceof Map && this.#isRoot(each.get('/Data'))).length;
  }

  /** @param {PdfValue | undefined} old @param {PdfValue | undefined} fresh */
  #checkForm(old, fresh) {
    if (!(old instanceof Map && fresh instanceof Map)) refuse('the form is another one');
    allow(old, fresh, ['/SigFlags'], 'the form');
    if (!Number.isInteger(fresh.get('/SigFlags'))) refuse("the form's flags are no number");
  }

  /**
   * Check the field: it was unsigned, only the form and one page list it, and it gets its signature with a picture.
   * @param {WrittenObject} object
   */
  #checkField(object) {
    const [old, fresh] = [dictionary(this.old.get(object.number)), dictionary(object)];
    const changed = allow(old, fresh, ['/V', '/AP'], 'a form field');
    if (old.get('/FT') !== '/Sig' || old.has('/V')) refuse('the field cannot be signed');
    this.#checkPlaces(object.number);
    checkBox(old.get('/Rect'));
    this.#checkEmpty(old.get('/AP'));
    this.signature = this.#new(fresh.get('/V')).number;
    if (!changed.has('/AP')) return;
    const pictures = fresh.get('/AP');
    if (!(pictures instanceof Map) || [...pictures.keys()].join() !== '/N') refuse('the field has other pictures');
    const objects = new Map([...this.old, ...this.added.objects]);
    checkPicture(this.#new(pictures.get('/N')), (number) => objects.get(number)?.value);
  }

  /** Refuse a field that showed something before, because its signature's picture would replace that. @param {PdfValue | undefined} pictures */
  #checkEmpty(pictures) {
    if (pictures === undefined) return;
    if (!(pictures instanceof Map)) refuse('the field has other pictures');
    for (const picture of pictures.values()) {
      if (this.old.get(numberOf(picture))?.stream?.trim() !== '') refuse('the field showed something before');
    }
  }

  /**
   * Check that the form lists the field once, and that one page shows it once. Pages may share a list, so two references
   * alone do not mean two places.
   * @param {number} number
   */
  #checkPlaces(number) {
    /** @param {PdfValue} item */
    const isField = (item) => item instanceof Reference && item.number === number;
    const listed = this.#itemsAt(this.form?.get('/Fields')).filter(isField).length;
    const pages = this.#annotations();
    const shown = pages.flat().filter(isField).length;
    if (listed !== 1 || shown !== 1 || this.#mentionsOf(number) !== 2) refuse('the field shows in more than one place');
    const beside = pages.find((annotations) => annotations.some(isField)) ?? [];
    /** @param {PdfValue} item */
    const place = (item) => dictionaryAt(item, this.old)?.get('/Rect');
    const others = beside.filter((item) => item instanceof Reference && !isField(item) && this.#isField(item.number));
    checkApart(place(new Reference(number)), others.map(place));
  }

  /** Return the annotations of each page. Readers show a malformed or miscounted tree of pages in different ways, so it is refused. */
  #annotations() {
    /** @type {Set<number>} */
    const seen = new Set();
    /** @type {PdfValue[][]} */
    const found = [];
    /** Count the pages in a node. @param {PdfValue | undefined} reference @param {number | undefined} above @returns {number} */
    const count = (reference, above) => {
      const number = numberOf(reference);
      if (seen.has(number)) refuse('a page stands in more than one place');
      seen.add(number);
      const node = dictionary(this.old.get(number));
      if (node.get('/Type') !== (node.has('/Kids') ? '/Pages' : '/Page')) refuse(`object ${number} is no page`);
      if (canonical(node.get('/Parent') ?? undefined) !== canonical(above && new Reference(above))) {
        refuse(`object ${number} is in another list of pages than its /Parent`);
      }
      found.push(this.#itemsAt(node.get('/Annots')));
      if (!node.has('/Kids')) return 1;
      let pages = 0;
      for (const kid of this.#itemsAt(node.get('/Kids'))) pages += count(kid, number);
      if (node.get('/Count') !== pages) refuse(`object ${number} does not say how many pages are in it`);
      return pages;
    };
    count(this.catalog.get('/Pages'), undefined);
    return found;
  }

  /** Check that the place for the signature is where the byte range says, and that no other signature is added. */
  #checkSignature() {
    const object = this.added.objects.get(this.signature);
    if (!object) refuse('the signature is missing');
    const value = dictionary(object);
    if (![...value.keys()].every((name) => SIGNATURE_ENTRIES.has(name))) refuse('the signature has unknown entries');
    if (value.get('/Type') !== '/Sig' || value.get('/SubFilter') !== '/ETSI.CAdES.detached') refuse('it is no signature');
    for (const number of mentioned(value)) if (number !== this.root) refuse('the signature refers to other objects');
    const written = this.text.slice(object.start, object.end);
    const [gap, ...others] = written.matchAll(/<(?:00)+>/g);
    const contents = value.get('/Contents');
    const empty = typeof contents === 'string' && /^\(\0+$/.test(contents);
    if (!gap || others.length || !empty) refuse('the signature has no empty place');
    const start = object.start + gap.index;
    const end = start + gap[0].length;
    if (canonical(value.get('/ByteRange')) !== canonical([0, start, end, this.text.length - end])) {
      refuse('the byte range in the file is another one');
    }
    const signatures = [...this.added.objects.values()].filter(
      (other) => other.value instanceof Map && other.value.has('/ByteRange'),
    );
    if (signatures.length !== 1) refuse('there is more than one signature');
  }

  /** Return the object behind a reference. The new revision must have added it. @param {PdfValue | undefined} reference */
  #new(reference) {
    const object = this.added.objects.get(numberOf(reference));
    if (!object || this.old.has(object.number)) refuse('the signature is made of objects that were there before');
    return object;
  }

  /** Return the items of a list in the shown document, which may be an object of its own. @param {PdfValue | undefined} value */
  #itemsAt(value) {
    const items = value instanceof Reference ? this.old.get(value.number)?.value : value ?? [];
    if (!Array.isArray(items)) refuse('a list is missing');
    return items;
  }

  /** @param {PdfValue | undefined} value */
  #isRoot(value) {
    return value instanceof Reference && value.number === this.root;
  }

  /** @param {number} number */
  #isField(number) {
    const fields = this.form?.get('/Fields');
    return Array.isArray(fields) && fields.some((field) => field instanceof Reference && field.number === number);
  }

  /**
   * Return whether this is the only reference to the object. An object that is also, for example, a page's content must not
   * change.
   * @param {PdfValue | undefined} reference
   * @param {number} number
   */
  #isOnly(reference, number) {
    return reference instanceof Reference && reference.number === number && this.#mentionsOf(number) === 1;
  }

  /** @param {number} number */
  #mentionsOf(number) {
    return this.mentions.get(number) ?? 0;
  }
}

/**
 * Return the names of the entries that differ. Refuse a difference in any but the `allowed` ones.
 * @param {PdfDictionary} old
 * @param {PdfDictionary} fresh
 * @param {string[]} allowed
 * @param {string} where
 */
function allow(old, fresh, allowed, where) {
  const names = new Set([...old.keys(), ...fresh.keys()]);
  /** @param {string} name */
  const differs = (name) => canonical(old.get(name)) !== canonical(fresh.get(name));
  const changed = new Set([...names].filter(differs));
  const others = [...changed].filter((name) => !allowed.includes(name));
  if (others.length) refuse(`${where} changes: ${others.sort().join(', ')}`);
  return changed;
}

/** Refuse a field that readers hide or decorate differently, also one that somebody else has signed. @param {PdfDictionary | null} field */
function checkShownAlike(field) {
  const flags = field?.get('/F') ?? 0;
  if (!Number.isInteger(flags) || Number(flags) & HIDDEN || DECORATION.some((name) => field?.has(name))) {
    refuse('readers show a field in different ways');
  }
}

/** @param {PdfObject | undefined} object */
function dictionary(object) {
  if (!(object?.value instanceof Map) || object.stream !== null) refuse('a dictionary is missing');
  return object.value;
}

/** @param {PdfValue | undefined} value @param {PdfObjects} objects */
function dictionaryAt(value, objects) {
  if (value instanceof Map) return value;
  return value instanceof Reference ? dictionary(objects.get(value.number)) : null;
}

/** @param {PdfValue | undefined} reference */
function numberOf(reference) {
  if (!(reference instanceof Reference)) refuse('a reference is missing');
  return reference.number;
}

/** @param {PdfValue | undefined} value */
const isContainer = (value) => value instanceof Map || Array.isArray(value) || value instanceof Reference;

/** @param {PdfValue | undefined} value */
const refersAnywhere = (value) => !mentioned(value).next().done;

/** @param {PdfObject | undefined} object */
function isMetadata(object) {
  if (!(object?.value instanceof Map) || object.stream === null) return false;
  return object.value.get('/Type') === '/Metadata' && object.value.get('/Subtype') === '/XML';
}
