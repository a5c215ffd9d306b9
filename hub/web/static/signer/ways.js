// Continue elsewhere, by the person's own link: as a QR code for another device, and as a link into the school's app.

import { find, json, need, needKind } from './session.js';

/**
 * Fill in what `parts.ways` offers. The address of this page becomes the same link, for "open in the browser".
 * @param {string | undefined} contract
 */
export async function showWays(contract) {
  try {
    const way = await json('link', { body: {}, id: contract });
    history.replaceState(null, '', new URL(way.url).pathname);
    const trouble = find('#trouble');
    if (trouble) trouble.dataset.link = way.url;
    needKind(HTMLImageElement, '[data-qr]').src = `data:image/png;base64,${way.qr_png}`;
    need('[data-ways]').hidden = false;
    if (way.app_address) Object.assign(need('[data-to-app]'), { href: way.app_address, hidden: false });
  } catch { /* the texts are shown nevertheless */ }
}
