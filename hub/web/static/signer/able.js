// What is said where a browser cannot keep a key: before a code is spent, and again where one would sign.

import { keysWorkHere } from './key_store.js';
import { all, hideTrouble, showTrouble } from './session.js';

/** Why no key can be kept here, as the page calls it. */
export const whyNoKey = () => (/MicroMessenger/i.test(navigator.userAgent) ? 'wechat' : 'unsupported');

/**
 * Say before a code is spent that no key can be kept here. Who signs with a key of another kind, or only reads, goes on.
 * @param {HTMLButtonElement} begin
 */
export async function warnWhereNoKeyWorks(begin) {
  if (await keysWorkHere()) return;
  begin.hidden = true;
  for (const hint of all('[data-hint]')) hint.hidden = true; // they say that one can sign right here
  const goOn = () => { hideTrouble(); begin.hidden = false; begin.focus(); };
  showTrouble(whyNoKey(), { acts: { 'go-on': goOn } });
}
