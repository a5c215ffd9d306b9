// Where a key made in this browser is not enough: on from here with another device, or in the school's app.

import { showWays } from './ways.js';

showWays(document.body.dataset.contract);
