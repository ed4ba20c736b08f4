// Choosing rows: a box in the head of the column that chooses all of the page, Shift that chooses a stretch, and a count beside the
// buttons. Without it each box is still a box of the form, and the buttons lead to a page that lists what was chosen.
for (const form of document.querySelectorAll("form[data-choose]")) prepare(form);

function prepare(form) {
  const boxes = [...form.elements].filter((one) => one.type === "checkbox" && one.name === "id");
  const head = document.querySelector("th.choose");
  const said = form.querySelector("[data-chosen]");
  if (!boxes.length || !head || !said) return;
  const hint = said.textContent;
  const all = document.createElement("input");
  all.type = "checkbox";
  all.setAttribute("aria-label", head.textContent.trim());
  const around = document.createElement("label");
  around.append(all);
  head.replaceChildren(around);
  let last = null;

  function tell() {
    const chosen = boxes.filter((box) => box.checked).length;
    all.checked = chosen === boxes.length;
    all.indeterminate = chosen > 0 && chosen < boxes.length;
    said.textContent = chosen ? `${chosen} of ${boxes.length} chosen` : hint;
    form.toggleAttribute("data-any", chosen > 0);
  }

  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    tell();
  });
  for (const box of boxes) {
    box.addEventListener("click", (event) => {
      const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
      if (event.shiftKey && from >= 0) for (const one of boxes.slice(from, to)) one.checked = box.checked;
      last = box;
      tell();
    });
  }
  // The browser may keep what was chosen when one comes back to the page.
  addEventListener("pageshow", tell);
  tell();
}
