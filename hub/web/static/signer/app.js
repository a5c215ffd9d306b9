// The school's app: its address is filled in here, so that the page is the same for every ticket. It opens on a tap only.

import { find } from './session.js';

const PLACE = /^\/([sp])\/([0-9A-Za-z-]{1,40})$/i;

export function offerApp() {
  const link = find('[data-act="app"]');
  const here = PLACE.exec(location.pathname);
  if (!link || !here) return;
  const place = `${here[1].toLowerCase()}/${here[2].toUpperCase()}`;
  link.href = link.dataset.address.replaceAll('{place}', place);
  link.hidden = false;
  link.addEventListener('click', () => { find('[data-app-tapped]').hidden = false; });
}
