// After signing, or while another person has to sign first: check again and again until something has changed, but not while
// the page is hidden.

import { Problem, find, json, report } from './session.js';

const { contract, state, standing } = document.body.dataset;
const FIRST_PAUSE = 1000;
const MAX_PAUSE = 30000;
let pause = FIRST_PAUSE;
let timer = 0;
let leaving = false; // a reload would undo a tap on a link

async function look() {
  try {
    const now = await json('contract', { id: contract });
    const changed = now.state !== state || (standing === 'waiting' && now.task !== 'WAITING');
    if (leaving) return undefined;
    if (changed) return void location.reload();
  } catch (error) {
    if (error instanceof Problem && error.status < 500) return void report(error, { retry: () => location.reload() });
  }
  pause = Math.min(pause * 1.5, MAX_PAUSE);
  next();
  return undefined;
}

function next() {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(look, pause);
}

const deleted = find('[data-deleted]');
if (deleted && location.hash === '#key-deleted') deleted.hidden = false;
document.addEventListener('click', ({ target }) => {
  leaving ||= target instanceof Element && target.closest('a:not([download])') !== null;
});
if ('poll' in document.body.dataset) {
  document.addEventListener('visibilitychange', () => {
    pause = FIRST_PAUSE;
    leaving = false;
    next();
  });
  next();
}
