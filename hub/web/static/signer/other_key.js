// If a key in this browser is not enough: continue on another device, or in the school's app.

import { showWays } from './ways.js';

showWays(document.body.dataset.contract);
