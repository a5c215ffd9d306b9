// The pretend phone looks for new messages every two seconds, as long as somebody looks at it.
const inbox = document.getElementById("inbox");
const now = document.getElementById("now");

async function look() {
  if (document.visibilityState !== "visible") return;
  const answer = await fetch(inbox.dataset.from);
  if (!answer.ok) return;
  const text = await answer.text();
  const fresh = new DOMParser().parseFromString(text, "text/html").body;
  now.textContent = fresh.querySelector("[data-now]").dataset.now;
  const shown = [...inbox.children].slice(1).map((each) => each.outerHTML).join("");
  const wanted = [...fresh.children].slice(1).map((each) => each.outerHTML).join("");
  if (shown !== wanted) inbox.replaceChildren(...fresh.childNodes);
}

setInterval(() => look().catch(() => {}), 2000);
