// The console works without this: here are only the board that keeps itself fresh, "select all", copying, and going on.

const live = document.getElementById("live");
const LOOK_EVERY = 5000;

function busy() {
  return document.visibilityState !== "visible" || live.contains(document.activeElement);
}

async function look() {
  if (busy()) return;
  const answer = await fetch(live.dataset.from);
  if (answer.status === 401) return location.reload();
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").body;
  if (!busy() && fresh.innerHTML.trim() !== live.innerHTML.trim()) live.replaceChildren(...fresh.childNodes);
}

if (live) setInterval(() => look().catch(() => {}), LOOK_EVERY);

const all = document.getElementById("all");
if (all) {
  const boxes = [...document.querySelectorAll('input[name="enrolment"]')];
  const preview = [...document.querySelectorAll("button.primary")];
  const words = preview.map((button) => button.textContent);
  const count = () => {
    const chosen = boxes.filter((box) => box.checked).length;
    all.checked = chosen === boxes.length;
    preview.forEach((button, number) => { button.textContent = chosen ? `${words[number]} (${chosen})` : words[number]; });
  };
  all.addEventListener("change", () => { boxes.forEach((box) => { box.checked = all.checked; }); count(); });
  boxes.forEach((box) => box.addEventListener("change", count));
  count();
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const field = document.getElementById(button.dataset.copy);
    field.select();
    await navigator.clipboard.writeText(field.value);
    button.textContent = button.dataset.copied;
  });
}

document.getElementById("go-on")?.requestSubmit();
