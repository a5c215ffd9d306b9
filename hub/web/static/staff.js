// The console works without this: here are only the board that keeps itself fresh, "select all", copying, and the preview
// that follows what is written.

const live = document.getElementById("live");
const LOOK_EVERY = 5000;
// After a refused stream. Boards that were refused at the same moment come back at different ones.
const LISTEN_AFTER = 5000;
const LOOK_MEANWHILE = 30000;

// Nothing is taken away from under somebody's hand: neither what is focused nor what is ticked.
/** @param {HTMLElement} board */
function busy(board) {
  return document.visibilityState !== "visible" || board.contains(document.activeElement) || board.querySelector("input:checked");
}

/** @param {HTMLElement} board */
async function look(board) {
  if (busy(board) || board.querySelector("[data-over]")) return;
  const answer = await fetch(board.dataset.from ?? "");
  if (answer.status === 401) location.reload();
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").body;
  if (!busy(board) && fresh.innerHTML.trim() !== board.innerHTML.trim()) board.replaceChildren(...fresh.childNodes);
}

// The board is told by a stream when to look; what shows progress looks by itself. After an answer other than 200, as of a
// proxy during an upgrade, the browser does not try again by itself: then the board does, and looks now and then itself.
// A hidden page holds no stream, since browsers open six connections at most.
/** @param {HTMLElement} board */
function follow(board) {
  /** @type {EventSource | undefined} */
  let source;
  let again = 0;
  let looked = -Infinity;
  const lookAt = () => look(board).catch(() => {});
  const listen = () => {
    clearTimeout(again);
    source?.close();
    source = undefined;
    if (document.visibilityState !== "visible") return;
    source = new EventSource(board.dataset.stream ?? "");
    for (const kind of ["open", "changed"]) source.addEventListener(kind, lookAt);
    source.addEventListener("error", () => { if (source?.readyState === EventSource.CLOSED) later(); });
  };
  const later = () => {
    clearTimeout(again);
    again = setTimeout(listen, LISTEN_AFTER * (1 + Math.random()));
    if (Date.now() - looked < LOOK_MEANWHILE) return;
    looked = Date.now();
    lookAt();
  };
  document.addEventListener("visibilitychange", listen);
  // What came while somebody was at it is looked up when they have done.
  board.addEventListener("focusout", () => setTimeout(lookAt));
  board.addEventListener("change", lookAt);
  listen();
}

if (live?.dataset.stream) follow(live);
else if (live) setInterval(() => look(live).catch(() => {}), live.dataset.quick ? 1000 : LOOK_EVERY);

// The board is drawn anew while it is looked at, so nothing here keeps hold of an element.
const boxes = () => [...document.querySelectorAll("input")].filter(isBox);

/** @param {HTMLInputElement} input */
const isBox = ({ name, type }) => name === "enrolment" || name === "task" || (name === "contract" && type === "checkbox");

function count() {
  const all = document.getElementById("all");
  if (!(all instanceof HTMLInputElement)) return;
  const chosen = boxes().filter((box) => box.checked).length;
  const fitting = document.querySelector("input[name=fitting]:checked");
  all.checked = chosen > 0 && chosen === boxes().length;
  for (const button of document.querySelectorAll("button")) {
    if (!button.classList.contains("primary")) continue;
    const words = button.dataset.words ??= button.textContent ?? "";
    button.textContent = chosen && !fitting ? `${words} (${chosen})` : words;
  }
}
document.addEventListener("change", ({ target }) => {
  if (!(target instanceof HTMLInputElement)) return;
  if (target.id === "all") boxes().forEach((box) => { box.checked = target.checked; });
  if (target.type === "checkbox") count();
});
count();

for (const button of document.querySelectorAll("button")) {
  if (button.dataset.print) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  }
  const field = document.getElementById(button.dataset.copy ?? "");
  if (!(field instanceof HTMLInputElement)) continue;
  button.addEventListener("click", async () => {
    field.select();
    await navigator.clipboard.writeText(field.value);
    button.textContent = button.dataset.copied ?? "";
  });
}

// What is written is looked at once the writer pauses; an answer that another one has overtaken is dropped.
const LOOK_AFTER = 700;
const written = document.querySelector("form[data-look]");
const seen = document.getElementById("look");
let asked = 0;
let waiting = 0;

/** @param {HTMLFormElement} form @param {HTMLElement} place */
async function show(form, place) {
  const mine = ++asked;
  const answer = await fetch(form.dataset.look ?? "", { method: "POST", body: new FormData(form) });
  if (answer.status === 401) location.reload();
  if (!answer.ok || mine !== asked) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").body;
  if (mine !== asked) return;
  place.replaceChildren(...fresh.childNodes);
  place.classList.remove("stale");
}

if (written instanceof HTMLFormElement && seen) {
  /** @param {Event} event */
  const later = ({ target }) => {
    // The pages are shown in the language that is being written.
    const language = written.elements.namedItem("language");
    const code = target instanceof HTMLTextAreaElement || target instanceof HTMLInputElement ? target.name.slice(0, 3) : "";
    if (language instanceof HTMLSelectElement && (code === "zh." || code === "en.")) language.value = code.slice(0, 2);
    seen.classList.add("stale");
    clearTimeout(waiting);
    waiting = setTimeout(() => show(written, seen).catch(() => {}), LOOK_AFTER);
  };
  for (const field of written.elements) field.addEventListener("input", later);
}
