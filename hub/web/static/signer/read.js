// Reading: the bar shows how much has been read. At the end of the text, or of the pages, it becomes the button for signing.

import { all, find, need, needKind, onAct, word } from './session.js';

const place = need('[data-progress]');
const bar = needKind(HTMLProgressElement, 'progress', place);
const sheets = need('[data-pages]');
const pages = Number(place.dataset.count);
const goOn = need('[data-go-on]');
const textEnd = find('[data-text-end]');
const seen = new Set();

/** @param {Element} page */
const imageOf = (page) => needKind(HTMLImageElement, 'img', page);

/** Return whether the image was loaded. A broken image is `complete` too. @param {Element} page */
const isHere = (page) => imageOf(page).complete && imageOf(page).naturalWidth > 0;

function finish() {
  place.hidden = true;
  goOn.hidden = false;
}

function tell() {
  if (!textEnd) {
    bar.value = seen.size;
    need('span', place).textContent = word('read').replace('{n}', String(seen.size)).replace('{all}', String(pages));
  }
  if (seen.size === pages) finish();
}

// A page counts as seen when its lower end came into view above the bar, or was passed: what is above the window counts
// as in view, because a slow phone jumps over pages.
const watcher = new IntersectionObserver((entries) => {
  for (const { target, boundingClientRect, rootBounds } of entries) {
    if (isHere(target) && rootBounds && boundingClientRect.bottom <= rootBounds.bottom + 2) {
      seen.add(target);
      watcher.unobserve(target);
    }
  }
  tell();
}, { rootMargin: '1000000px 0px -64px 0px', threshold: [0, 0.25, 0.5, 0.75, 0.9, 0.99, 1] });

/** A page that was not loaded does not count as read: say so below it, with a button that loads it. @param {HTMLElement} page */
function sayMissing(page) {
  if (page.nextElementSibling?.matches('.note')) return; // the event of what this script had found already
  const said = needKind(HTMLTemplateElement, '[data-missing]').content.cloneNode(true);
  page.after(said);
  const note = page.nextElementSibling;
  note?.querySelector('button')?.addEventListener('click', () => {
    note.remove();
    const { src } = imageOf(page);
    imageOf(page).src = src;
  });
}

goOn.hidden = true;
for (const page of all('[data-page]')) {
  const image = imageOf(page);
  if (isHere(page)) watcher.observe(page);
  else if (image.complete) sayMissing(page);
  image.addEventListener('load', () => watcher.observe(page));
  image.addEventListener('error', () => sayMissing(page));
}

/** Count the text as read once its end is in view, or above the window. @param {HTMLElement} end */
function watchText(end) {
  const text = need('article');
  const from = () => text.getBoundingClientRect();
  document.addEventListener('scroll', () => {
    const { top, height } = from();
    bar.value = pages * Math.min(1, Math.max(0, (innerHeight - top) / height));
  }, { passive: true });
  new IntersectionObserver(([entry]) => {
    if (entry && (entry.isIntersecting || entry.boundingClientRect.bottom < 0)) finish();
  }, { rootMargin: '0px 0px -64px 0px' }).observe(end);
}

if (textEnd) watchText(textEnd);

// ---- larger and smaller: the images are here already, with more dots than fit the screen

const SIZES = [1, 1.5, 2.5];
let size = 0;

/** @param {number} wanted @param {HTMLElement} [page] what stays in view @param {number} [across] where in it, from 0 to 1 */
function zoom(wanted, page, across = 0.5) {
  size = Math.min(SIZES.length - 1, Math.max(0, wanted));
  sheets.dataset.size = String(size);
  page?.scrollIntoView({ block: 'nearest' });
  sheets.scrollLeft = across * sheets.scrollWidth - sheets.clientWidth / 2;
}

need('[data-zoom-bar]').hidden = false;
onAct('larger', () => zoom(size + 1));
onAct('smaller', () => zoom(size - 1));
for (const page of all('[data-page]')) {
  page.addEventListener('click', (event) => {
    event.preventDefault(); // the link is for browsers without scripts; it would fetch the page once more
    const { left, width } = page.getBoundingClientRect();
    zoom(size ? 0 : SIZES.length - 1, page, (event.clientX - left) / width);
  });
}
