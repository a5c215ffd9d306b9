// Close the console's menu by Escape, and when the focus or a click leaves it. Without this script, only a click on its
// heading closes it.

const menu = document.querySelector("details.menu");

if (menu instanceof HTMLDetailsElement) {
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary")?.focus();
  });
  /** @param {EventTarget | null} place */
  const leave = (place) => { if (place instanceof Node && !menu.contains(place)) menu.open = false; };
  menu.addEventListener("focusout", (event) => leave(event.relatedTarget));
  document.addEventListener("click", (event) => leave(event.target));
}
