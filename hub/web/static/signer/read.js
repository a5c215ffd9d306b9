// Reading: the bar says how far one has read, and becomes the way to sign at the end.

import { all, need, needKind, word } from './session.js';

const place = need('[data-progress]');
const pages = Number(place.dataset.pages);
const goOn = need('[data-go-on]');
const seen = new Set();

/** @param {Element} page */
const imageOf = (page) => needKind(HTMLImageElement, 'img', page);

function tell() {
  needKind(HTMLProgressElement, 'progress', place).value = seen.size;
  need('span', place).textContent = word('read').replace('{n}', String(seen.size)).replace('{all}', String(pages));
  if (seen.size < pages) return;
  place.hidden = true;
  goOn.hidden = false;
}

// The lower end of a page came into view, not hidden behind the bar.
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting, boundingClientRect, rootBounds } of entries) {
    const bottomSeen = rootBounds && boundingClientRect.bottom <= rootBounds.bottom + 2;
    if (imageOf(target).complete && (bottomSeen || !isIntersecting && boundingClientRect.bottom < 0)) {
      seen.add(target);
      watcher.unobserve(target);
    }
  }
  tell();
}, { rootMargin: '0px 0px -64px 0px', threshold: [0, 0.25, 0.5, 0.75, 0.9, 0.99, 1] });

goOn.hidden = true;
for (const page of all('[data-page]')) {
  const image = imageOf(page);
  if (image.complete) watcher.observe(page);
  else image.addEventListener('load', () => watcher.observe(page), { once: true });
  image.addEventListener('error', () => watcher.observe(page), { once: true });
}
