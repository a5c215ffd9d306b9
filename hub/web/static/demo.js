// The pretend phone looks for new messages every two seconds, as long as its page is visible.
const inbox = document.getElementById("inbox");
const now = document.getElementById("now");

/** @param {HTMLElement} shown @param {HTMLElement} place */
async function look(shown, place) {
  if (document.visibilityState !== "visible") return;
  const answer = await fetch(shown.dataset.from ?? "");
  if (!answer.ok) return;
  const text = await answer.text();
  const fresh = new DOMParser().parseFromString(text, "text/html").body;
  /** @type {HTMLElement | null} */
  const clock = fresh.querySelector("[data-now]");
  place.textContent = clock?.dataset.now ?? "";
  if (messages(shown) !== messages(fresh)) shown.replaceChildren(...fresh.childNodes);
}

/** @param {HTMLElement} list */
const messages = (list) => [...list.children].slice(1).map((each) => each.outerHTML).join("");

if (inbox && now) setInterval(() => look(inbox, now).catch(() => {}), 2000);
