// Warn in browsers that cannot keep a key: before a code is sent, and again on the signing page.

import { keysWorkHere } from './key_store.js';
import { all, hideTrouble, showTrouble } from './session.js';

/** Return why no key can be kept here, by the name that the page uses. */
export const whyNoKey = () => (/MicroMessenger/i.test(navigator.userAgent) ? 'wechat' : 'unsupported');

/**
 * Warn, before a code is sent, that no key can be kept here. People who sign with another kind of key, or only read, can go
 * on.
 * @param {HTMLButtonElement} begin
 */
export async function warnWhereNoKeyWorks(begin) {
  if (await keysWorkHere()) return;
  begin.hidden = true;
  for (const hint of all('[data-hint]')) hint.hidden = true; // these hints say that one can sign right here
  const goOn = () => { hideTrouble(); begin.hidden = false; begin.focus(); };
  showTrouble(whyNoKey(), { acts: { 'go-on': goOn } });
}
