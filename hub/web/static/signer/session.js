// Calls of the signing protocol, and the words for what can go wrong. The session's secret is a cookie that no script sees.

const CALL_MS = 30000;

export class Offline extends Error {}

/** The hub said no: `title` in the page's language. If it named a time: `wait` in seconds, `detail` says until when. */
export class Problem extends Error {
  constructor(status, said, wait) {
    super(said.code || `http-${status}`);
    this.status = status;
    this.code = said.code || (status >= 500 ? 'unavailable' : 'other');
    this.title = said.title || '';
    this.detail = (said.until && said.detail) || '';
    this.field = said.field || '';
    this.wait = wait;
  }
}

export async function call(path, { body, id } = {}) {
  const address = path.startsWith('/') ? path : `/sign/v1/${path}${id ? `?id=${encodeURIComponent(id)}` : ''}`;
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), CALL_MS);
  try {
    const response = await fetch(address, {
      method: body ? 'POST' : 'GET', credentials: 'same-origin', redirect: 'error', cache: 'no-store', signal: stop.signal,
      headers: { 'Accept-Language': document.documentElement.lang, ...(body && { 'Content-Type': 'application/json' }) },
      body: body && JSON.stringify(body),
    });
    const content = new Uint8Array(await response.arrayBuffer());
    if (!response.ok) throw problemOf(response, content);
    return content;
  } catch (error) {
    throw error instanceof Problem ? error : new Offline();
  } finally {
    clearTimeout(timer);
  }
}

export async function json(path, options) {
  const content = await call(path, options);
  return JSON.parse(new TextDecoder().decode(content) || '{}');
}

function problemOf(response, content) {
  let said = {};
  try {
    said = JSON.parse(new TextDecoder().decode(content));
  } catch { /* a proxy's own page: the status has to do */ }
  return new Problem(response.status, said, Number(response.headers.get('Retry-After')) || 0);
}

export const ticketHere = () => decodeURIComponent(location.pathname.split('/')[2] || '');

// ---- words and what is shown

export const find = (selector) => document.querySelector(selector);
export const word = (name) => find(`[data-word="${name}"]`)?.textContent || '';

export function timeWords(seconds) {
  const [name, n] = seconds < 90 ? ['seconds', seconds] : seconds < 5400 ? ['minutes', Math.ceil(seconds / 60)]
    : ['hours', Math.ceil(seconds / 3600)];
  return word(name).replace('{n}', n);
}

let counting = 0;

/** Show the one trouble that fits `name`; `acts` maps the buttons in it to what they do. */
export function showTrouble(name, { wait = 0, title = '', detail = '', acts = {} } = {}) {
  const place = find('#trouble');
  const template = find(`template[data-trouble="${name}"]`) || find('template[data-trouble="other"]');
  place.replaceChildren(template.content.cloneNode(true));
  place.dataset.shown = name;
  for (const [selector, text] of [['[data-title]', title], ['[data-detail]', detail]]) {
    if (place.querySelector(selector)) place.querySelector(selector).textContent = text;
  }
  for (const button of place.querySelectorAll('[data-act]')) {
    button.addEventListener('click', () => (acts[button.dataset.act] || (() => copyLink(place.dataset.link)))(button));
  }
  countDown(place.querySelector('[data-wait]'), wait);
  place.hidden = false;
  place.focus();
}

export function hideTrouble() {
  clearInterval(counting);
  find('#trouble').hidden = true;
  delete find('#trouble').dataset.shown;
}

function countDown(place, seconds) {
  clearInterval(counting);
  if (!place || !seconds) return;
  let left = seconds;
  place.setAttribute('aria-live', 'off'); // the number changes each second: once is enough for a screen reader
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
    find('[data-copied]').textContent = word('copied');
  } catch {
    find('[data-copied]').textContent = address; // not allowed here: then it can be copied by hand
  }
}

/** Which trouble an error is. */
export function nameOf(error) {
  if (error instanceof Offline) return 'offline';
  if (!(error instanceof Problem)) return 'other';
  const { code } = error;
  if (['not-verified', 'session-not-valid'].includes(code)) return 'session-not-valid';
  if (['illegal-move', 'not-your-turn', 'contract-not-found', 'already-signed'].includes(code)) return 'elsewhere';
  if (['document-changed', 'wrong-document', 'wrong-consent'].includes(code)) return 'changed';
  return error.status >= 500 ? 'unavailable' : code;
}

export function report(error, acts) {
  showTrouble(nameOf(error), { wait: error.wait, title: error.title, detail: error.detail, acts });
}

// Whether a person has touched this page: scanners that press its buttons by script have not. What scripts fire is not
// trusted.
let touched = false;
for (const type of ['pointerdown', 'keydown', 'click']) {
  document.addEventListener(type, (event) => { touched ||= event.isTrusted; }, { capture: true });
}

/** Run `work` once at a time: the button is off meanwhile. */
export function onTap(button, work) {
  button.addEventListener('click', async (event) => {
    event.preventDefault();
    if (button.disabled || !touched) return;
    button.disabled = true;
    try {
      await work();
    } finally {
      button.disabled = false;
    }
  });
}

export function onSubmit(form, work) {
  const button = form.querySelector('[type="submit"]');
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (button.disabled || !touched) return;
    button.disabled = true;
    try {
      await work(new FormData(form));
    } finally {
      button.disabled = false;
    }
  });
}
