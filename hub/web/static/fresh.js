// A page that keeps itself fresh without being loaded again, so that nobody who reads or hears it begins at its top:
// `data-fresh` on the body says after how many seconds its content is looked up anew. Where that leads to another page,
// it goes there. `data-ready` says what has to answer before the page's own link is followed.

const { fresh, ready } = document.body.dataset;

async function renew() {
  const answer = await fetch(location.href);
  if (answer.redirected) return void location.assign(answer.url);
  if (!answer.ok) return undefined;
  const main = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
  if (main) document.querySelector("main")?.replaceChildren(...main.childNodes);
  return undefined;
}

/** @param {string} address */
async function follow(address) {
  const link = document.querySelector("a.primary");
  if ((await fetch(address)).ok && link instanceof HTMLAnchorElement) location.assign(link.href);
}

if (fresh) setInterval(() => renew().catch(() => {}), Number(fresh) * 1000);
if (ready) setInterval(() => follow(ready).catch(() => {}), 1000);
