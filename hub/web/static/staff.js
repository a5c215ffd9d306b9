// The console works without this script. It keeps the board up to date, and adds "select all", copying, and the preview that
// follows what is written.

const live = document.getElementById("live");
const LOOK_EVERY = 5000;
// Milliseconds to wait after a refused stream. Boards that were refused at the same moment come back at different times.
const LISTEN_AFTER = 5000;
const LOOK_MEANWHILE = 30000;

// Change nothing that somebody is using: neither a focused part nor a ticked one.
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

// A stream tells the board when to look; a page that shows progress looks by itself. After an answer other than 200, such as
// that of a proxy during an upgrade, the browser does not connect again by itself. The board then does, and meanwhile looks
// by itself now and then. A hidden page has no stream, since browsers open at most six connections.
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
  // Changes that came while somebody was using the board are shown when they have finished.
  board.addEventListener("focusout", () => setTimeout(lookAt));
  board.addEventListener("change", lookAt);
  listen();
}

if (live?.dataset.stream) follow(live);
else if (live) setInterval(() => look(live).catch(() => {}), live.dataset.quick ? 1000 : LOOK_EVERY);

// The board is replaced while it is shown, so this script keeps no element of it.
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

// The preview is requested once the writer pauses. An answer that a later one has overtaken is dropped.
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
    // The preview is in the language that is being written.
    const language = written.elements.namedItem("language");
    const code = target instanceof HTMLTextAreaElement || target instanceof HTMLInputElement ? target.name.slice(0, 3) : "";
    if (language instanceof HTMLSelectElement && (code === "zh." || code === "en.")) language.value = code.slice(0, 2);
    seen.classList.add("stale");
    clearTimeout(waiting);
    waiting = setTimeout(() => show(written, seen).catch(() => {}), LOOK_AFTER);
  };
  for (const field of written.elements) field.addEventListener("input", later);
}
