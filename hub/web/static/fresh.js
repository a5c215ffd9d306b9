// Renew the content of a page without loading the page again, so that people who read it or hear it are not sent back to its
// top. `data-fresh` on the body: the number of seconds between two renewals. If the hub redirects the request, the page goes
// there. `data-ready`: an address that has to answer before the page follows its own link.

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
