// The link to the school's app. Its address is filled in here, so that the page is the same for every ticket. The app opens
// only after a tap.

import { find, need } from './session.js';

const PLACE = /^\/([sp])\/([0-9A-Za-z-]{1,40})$/i;

export function offerApp() {
  const link = find('[data-act="app"]');
  const here = PLACE.exec(location.pathname);
  if (!(link instanceof HTMLAnchorElement) || !here) return;
  const [, way = '', ticket = ''] = here;
  const place = `${way.toLowerCase()}/${ticket.toUpperCase()}`;
  link.href = (link.dataset.address ?? '').replaceAll('{place}', place);
  link.hidden = false;
  link.addEventListener('click', () => { need('[data-app-tapped]').hidden = false; });
}
