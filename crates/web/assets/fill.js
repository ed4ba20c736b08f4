// Takes a file into the field that it would be pasted into, and its name into the field for it. Without it one pastes. Nothing is sent
// before the form is; a file that is too large for a form is not read.
for (const chooser of document.querySelectorAll("input[type=file][data-fills]")) prepare(chooser);

function prepare(chooser) {
  const field = document.getElementById(chooser.dataset.fills);
  const name = document.getElementById(chooser.dataset.names);
  const says = document.getElementById(chooser.getAttribute("aria-describedby"));
  if (!field || !says) return;
  chooser.addEventListener("change", async () => {
    const [file] = chooser.files;
    if (!file) return;
    if (file.size > Number(chooser.dataset.most)) {
      says.textContent = `${file.name} is too large for this form.`;
      return;
    }
    try {
      field.value = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
    } catch {
      says.textContent = `${file.name} cannot be read as UTF-8 text.`;
      return;
    }
    if (name) name.value = file.name;
    says.textContent = `${file.name} was taken into the field above.`;
  });
}
