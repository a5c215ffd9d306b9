// Reading: the bar says how far one has read, and becomes the way to sign at the end.

import { find, word } from './session.js';

const place = find('[data-progress]');
const all = Number(place.dataset.pages);
const goOn = find('[data-go-on]');
const seen = new Set();

function tell() {
  place.querySelector('progress').value = seen.size;
  place.querySelector('span').textContent = word('read').replace('{n}', seen.size).replace('{all}', all);
  if (seen.size < all) return;
  place.hidden = true;
  goOn.hidden = false;
}

// The lower end of a page came into view, not hidden behind the bar.
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting, boundingClientRect, rootBounds } of entries) {
    const bottomSeen = rootBounds && boundingClientRect.bottom <= rootBounds.bottom + 2;
    if (target.querySelector('img').complete && (bottomSeen || !isIntersecting && boundingClientRect.bottom < 0)) {
      seen.add(target.dataset.page);
      watcher.unobserve(target);
    }
  }
  tell();
}, { rootMargin: '0px 0px -64px 0px', threshold: [0, 0.25, 0.5, 0.75, 0.9, 0.99, 1] });

goOn.hidden = true;
for (const page of document.querySelectorAll('[data-page]')) {
  const image = page.querySelector('img');
  if (image.complete) watcher.observe(page);
  else image.addEventListener('load', () => watcher.observe(page), { once: true });
  image.addEventListener('error', () => watcher.observe(page), { once: true });
}
