// Copies the whole of an id that a page may show shortened. Without it the id is still there: one click selects it.
// The button says what became of it in its own name, which screen readers announce, and goes back after a moment.
const SHOWN_MS = 1500;

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button || button.dataset.said) return;
  const name = button.getAttribute("aria-label");
  let said = "Copied";
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    said = "Not copied: the browser does not allow it";
  }
  button.dataset.said = said;
  button.setAttribute("aria-label", said);
  setTimeout(() => {
    delete button.dataset.said;
    button.setAttribute("aria-label", name);
  }, SHOWN_MS);
});
