// The console works without this: here are only the board that keeps itself fresh, "select all", copying, and going on.

const live = document.getElementById("live");
const LOOK_EVERY = 5000;

// Nothing is taken away from under somebody's hand: neither what is focused nor what is ticked.
function busy() {
  return document.visibilityState !== "visible" || live.contains(document.activeElement) || live.querySelector("input:checked");
}

async function look() {
  if (busy() || live.querySelector("[data-over]")) return;
  const answer = await fetch(live.dataset.from);
  if (answer.status === 401) return location.reload();
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").body;
  if (!busy() && fresh.innerHTML.trim() !== live.innerHTML.trim()) live.replaceChildren(...fresh.childNodes);
}

if (live) setInterval(() => look().catch(() => {}), live.dataset.quick ? 1000 : LOOK_EVERY);

// The board is drawn anew while it is looked at, so nothing here keeps hold of an element.
const boxes = () => [...document.querySelectorAll('input[name="enrolment"], input[name="contract"][type="checkbox"]')];
function count() {
  const all = document.getElementById("all");
  if (!all) return;
  const chosen = boxes().filter((box) => box.checked).length;
  all.checked = chosen > 0 && chosen === boxes().length;
  for (const button of document.querySelectorAll("button.primary")) {
    button.dataset.words ??= button.textContent;
    button.textContent = chosen ? `${button.dataset.words} (${chosen})` : button.dataset.words;
  }
}
document.addEventListener("change", (event) => {
  if (event.target.id === "all") boxes().forEach((box) => { box.checked = event.target.checked; });
  if (event.target.type === "checkbox") count();
});
count();

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const field = document.getElementById(button.dataset.copy);
    field.select();
    await navigator.clipboard.writeText(field.value);
    button.textContent = button.dataset.copied;
  });
}

document.getElementById("go-on")?.requestSubmit();
