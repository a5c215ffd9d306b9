// Calls of the signing protocol, and the texts about what can go wrong. The session's secret is a cookie that no script
// sees.

const CALL_MS = 30000; // without a byte from the hub; on a slow connection a whole document takes longer
const SLOWEST_UPLOAD = 20; // bytes a millisecond
const SHOWN_AFTER_MS = 600; // shorter work shows no text

export class Offline extends Error {}

/** A refusal by the hub. `title` is in the page's language. If the hub stated a time: `wait` in seconds, and `detail` says until when. */
export class Problem extends Error {
  /** @param {number} status @param {ProblemSaid} said */
  constructor(status, said, wait = 0) {
    super(said.code || `http-${status}`);
    this.status = status;
    this.code = said.code || (status >= 500 ? 'unavailable' : 'other');
    this.title = said.title || '';
    this.detail = (said.until && said.detail) || '';
    this.field = said.field || '';
    this.wait = wait;
  }
}

/** Make a call. @type {Call} */
export async function call(path, { body, id } = {}) {
  const address = path.startsWith('/') ? path : `/sign/v1/${path}${id ? `?id=${encodeURIComponent(id)}` : ''}`;
  const stop = new AbortController();
  const file = body instanceof Blob ? body : null;
  let timer = 0;
  const waitFor = (milliseconds = CALL_MS) => {
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort(), milliseconds);
  };
  waitFor(CALL_MS + (file ? file.size / SLOWEST_UPLOAD : 0));
  try {
    const response = await fetch(address, {
      method: body ? 'POST' : 'GET', credentials: 'same-origin', redirect: 'error', cache: 'no-store', signal: stop.signal,
      headers: {
        'Accept-Language': document.documentElement.lang,
        ...(body && { 'Content-Type': file ? 'application/octet-stream' : 'application/json' }),
      },
      body: file ?? (body && JSON.stringify(body)),
    });
    const content = await received(response, waitFor);
    if (!response.ok) throw problemOf(response, content);
    return content;
  } catch (error) {
    throw error instanceof Problem ? error : new Offline();
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Return the whole answer.
 * @param {Response} response @param {() => void} coming called for each part that has come
 */
async function received(response, coming) {
  const parts = /** @type {Bytes[]} */ ([]);
  const reader = response.body?.getReader();
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    parts.push(part.value);
    coming();
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** @type {Json} */
export async function json(path, options) {
  const content = await call(path, options);
  return JSON.parse(new TextDecoder().decode(content) || '{}');
}

/** @param {Response} response @param {Bytes} content */
function problemOf(response, content) {
  let said = {};
  try {
    said = JSON.parse(new TextDecoder().decode(content));
  } catch { /* the page of a proxy: use the status alone */ }
  return new Problem(response.status, said, Number(response.headers.get('Retry-After')) || 0);
}

export const ticketHere = () => decodeURIComponent(location.pathname.split('/')[2] || '');

// ---- words and what is shown

/** @param {string} selector @returns {HTMLElement | null} */
export const find = (selector) => document.querySelector(selector);

/** @param {string} selector @param {ParentNode} within @returns {NodeListOf<HTMLElement>} */
export const all = (selector, within = document) => within.querySelectorAll(selector);

/** @param {string} selector @param {ParentNode} [within] */
export const need = (selector, within) => needKind(HTMLElement, selector, within);

/**
 * Return an element that the page must have.
 * @template {Element} T
 * @param {new () => T} kind
 * @param {string} selector
 * @param {ParentNode} within
 */
export function needKind(kind, selector, within = document) {
  const found = within.querySelector(selector);
  if (found instanceof kind) return found;
  throw new Error(`${selector} is missing`);
}

/** @param {string} name */
export const word = (name) => find(`[data-word="${name}"]`)?.textContent || '';

/** @param {number} seconds */
export function timeWords(seconds) {
  const [name, n] = seconds < 90 ? ['seconds', seconds] : seconds < 5400 ? ['minutes', Math.ceil(seconds / 60)]
    : ['hours', Math.ceil(seconds / 3600)];
  return word(name).replace('{n}', String(n));
}

/**
 * Say at a field what is wrong, mark it, and focus it. The mark disappears as soon as something is typed.
 * @param {HTMLInputElement | HTMLSelectElement} field
 * @param {string} words
 */
export function refuse(field, words) {
  const id = `${field.id || field.name}-refused`;
  document.getElementById(id)?.remove();
  const said = document.createElement('p');
  Object.assign(said, { id, className: 'refused', textContent: words });
  (field.closest('.field, .card') ?? field.parentElement)?.append(said);
  const hint = field.getAttribute('aria-describedby') ?? '';
  field.setAttribute('aria-invalid', 'true');
  field.setAttribute('aria-describedby', `${hint} ${id}`.trim());
  field.focus();
  field.form?.addEventListener('input', () => {
    said.remove();
    field.removeAttribute('aria-invalid');
    if (hint) field.setAttribute('aria-describedby', hint);
    else field.removeAttribute('aria-describedby');
  }, { once: true });
}

/**
 * Return the call that opens a session in this page's language, which the hub does not know if only the browser chose it.
 * @returns {`open?lang=${string}`}
 */
export const inThisLanguage = () => `open?lang=${document.documentElement.lang.slice(0, 2)}`;

let counting = 0;

/**
 * Show the text about the trouble `name`. `acts`: the functions of the buttons in it.
 * @param {string} name
 * @param {Trouble} trouble
 */
export function showTrouble(name, { wait = 0, title = '', detail = '', acts = {} } = {}) {
  const place = need('#trouble');
  const own = `template[data-trouble="${name}"]`;
  const template = needKind(HTMLTemplateElement, find(own) ? own : 'template[data-trouble="other"]');
  place.replaceChildren(template.content.cloneNode(true));
  place.dataset.shown = name;
  for (const part of all('[data-title]', place)) part.textContent = title;
  for (const part of all('[data-detail]', place)) part.textContent = detail;
  for (const button of all('[data-act]', place)) {
    button.addEventListener('click', () => (acts[button.dataset.act ?? ''] || (() => copyLink(place.dataset.link)))(button));
  }
  countDown(find('#trouble [data-wait]'), wait);
  place.hidden = false;
  place.focus();
}

export function hideTrouble() {
  clearInterval(counting);
  need('#trouble').hidden = true;
  delete need('#trouble').dataset.shown;
}

/** @param {HTMLElement | null} place @param {number} seconds */
function countDown(place, seconds) {
  clearInterval(counting);
  if (!place || !seconds) return;
  let left = seconds;
  place.setAttribute('aria-live', 'off'); // the number changes every second; a screen reader should read it only once
  place.textContent = timeWords(left);
  counting = setInterval(() => {
    left = Math.max(0, left - 1);
    place.textContent = timeWords(left);
    if (!left) clearInterval(counting);
  }, 1000);
}

async function copyLink(address = location.href) {
  try {
    await navigator.clipboard.writeText(address);
    need('[data-copied]').textContent = word('copied');
  } catch {
    need('[data-copied]').textContent = address; // not allowed here: it can be copied by hand
  }
}

/** @param {unknown} error */
export const codeOf = (error) => (error instanceof Problem ? error.code : '');

/** Return the name of the trouble that an error means. @param {unknown} error */
export function nameOf(error) {
  if (error instanceof Offline) return 'offline';
  if (!(error instanceof Problem)) return 'other';
  const { code } = error;
  if (['not-verified', 'session-not-valid'].includes(code)) return 'session-not-valid';
  if (['illegal-move', 'not-your-turn', 'contract-not-found', 'already-signed', 'answers-missing', 'answers-fixed'].includes(code)) return 'elsewhere';
  if (['document-changed', 'wrong-document', 'wrong-consent'].includes(code)) return 'changed';
  return error.status >= 500 ? 'unavailable' : code;
}

/** @param {unknown} error @param {Acts} [acts] */
export function report(error, acts) {
  showTrouble(nameOf(error), { ...(error instanceof Problem && error), acts });
}

// Whether a person has touched this page. Scanners that press its buttons by script have not, since events that scripts fire
// are not trusted.
let touched = false;
for (const type of ['pointerdown', 'keydown', 'click']) {
  document.addEventListener(type, (event) => { touched ||= event.isTrusted; }, { capture: true });
}

/** Run `work` when the button is pressed. The button is disabled until it is done. @param {HTMLButtonElement} button @param {Work} work */
export const onTap = (button, work) => on(button, 'click', button, work);

/** Bind every button of this kind. @param {string} act @param {Work<[HTMLButtonElement]>} work */
export function onAct(act, work) {
  for (const button of document.querySelectorAll('button')) {
    if (button.dataset.act === act) onTap(button, () => work(button));
  }
}

/** @param {HTMLFormElement} form @param {Work<[FormData]>} work */
export function onSubmit(form, work) {
  on(form, 'submit', needKind(HTMLButtonElement, '[type="submit"]', form), () => work(new FormData(form)));
}

/** @param {HTMLElement} target @param {string} type @param {HTMLButtonElement} button @param {Work} work */
function on(target, type, button, work) {
  target.addEventListener(type, async (event) => {
    event.preventDefault();
    if (button.disabled || !touched) return;
    button.disabled = true;
    /** @type {string | null} */
    let usual = null;
    const slow = setTimeout(() => {
      usual = button.textContent;
      button.textContent = word('working');
    }, SHOWN_AFTER_MS);
    try {
      await work();
    } finally {
      clearTimeout(slow);
      if (usual !== null) button.textContent = usual;
      button.disabled = false;
    }
  });
}
