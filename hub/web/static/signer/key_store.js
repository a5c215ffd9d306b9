// The place where this browser keeps a key: IndexedDB. This script is small, because pages load it before a code is sent, to
// check whether keys work here.

export const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DATABASE = 'qianda';
const STORE = 'keys';

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
const settled = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
  if (request instanceof IDBOpenDBRequest) request.onblocked = () => reject(new Error('blocked'));
});

/**
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(keys: IDBObjectStore) => IDBRequest<T>} act
 */
export async function store(mode, act) {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  const database = await settled(opening);
  try {
    const transaction = database.transaction(STORE, mode);
    const value = await settled(act(transaction.objectStore(STORE)));
    if (mode === 'readwrite') {
      await /** @type {Promise<void>} */ (new Promise((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error);
      }));
    }
    return value;
  } finally {
    database.close();
  }
}

/** Return whether a key can be made and kept here, by trying it. */
export async function keysWorkHere() {
  try {
    if (!window.isSecureContext) return false;
    const pair = await crypto.subtle.generateKey(ECDSA, false, ['sign', 'verify']);
    await store('readwrite', (keys) => keys.put(pair.privateKey, 'trial'));
    const trial = await store('readonly', (keys) => keys.get('trial'));
    await store('readwrite', (keys) => keys.delete('trial'));
    return trial instanceof CryptoKey && !trial.extractable;
  } catch {
    return false;
  }
}
