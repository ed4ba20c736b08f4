// The find box as a palette: "/" or Ctrl or Cmd with K opens it, arrows choose, Enter goes there, Escape leaves. It shows what the
// page of the find box shows, from the same address; without it the box is a form that leads to that page. What it is given is text.
const WAIT_MS = 120;
const form = document.querySelector("form.find");
if (form) prepare(form);

function made(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function prepare(form) {
  const box = form.elements.q;
  const sprite = form.querySelector("use").getAttribute("href").split("#")[0];
  const label = box.getAttribute("aria-label");
  const input = made("input", {
    type: "search", "aria-label": label, placeholder: box.placeholder, maxlength: box.maxLength, autocomplete: "off", spellcheck: "false",
    role: "combobox", "aria-expanded": "true", "aria-controls": "palette-found", "aria-autocomplete": "list",
  });
  const list = made("div", { class: "sheet", role: "listbox", id: "palette-found", "aria-label": label });
  const said = made("p", { class: "source", role: "status" });
  const dialog = made("dialog", { class: "palette", "aria-label": label }, input, list, made("footer", {}, said));
  let options = [];
  let chosen = -1;
  let asked = 0;
  let waiting = 0;

  const page = () => `${form.getAttribute("action")}?${new URLSearchParams({ q: input.value })}`;

  function choose(place) {
    options[chosen]?.setAttribute("aria-selected", "false");
    chosen = options.length ? (place + options.length) % options.length : -1;
    const option = options[chosen];
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    if (option) input.setAttribute("aria-activedescendant", option.id);
    else input.removeAttribute("aria-activedescendant");
  }

  function drawing(name) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    use.setAttribute("href", `${sprite}#${name}`);
    svg.append(use);
    return svg;
  }

  function show(found) {
    options = [];
    const groups = found.map(({ name, hits }, number) => {
      const head = made("h3", { id: `palette-group-${number}`, role: "presentation" }, name);
      const rows = hits.map((hit) => {
        const option = made("a", {
          href: hit.to, role: "option", id: `palette-option-${options.length}`, tabindex: "-1", "aria-selected": "false",
        }, drawing(hit.icon), made("bdi", {}, hit.word), made("small", {}, made("bdi", {}, hit.sub)));
        options.push(option);
        return option;
      });
      return made("div", { role: "group", "aria-labelledby": head.id }, head, ...rows);
    });
    list.replaceChildren(...groups);
    choose(0);
    said.textContent = options.length ? `${options.length} found. Enter goes there.` : "Nothing found.";
  }

  async function look() {
    const turn = ++asked;
    try {
      const { default: found } = await import(`${page()}&as=module`);
      if (turn === asked) show(found);
    } catch {
      if (turn !== asked) return;
      show([]);
      said.textContent = "No answer. Enter asks again, on a page of its own.";
    }
  }

  function open(text = "") {
    if (dialog.open) return;
    if (!dialog.isConnected) document.body.append(dialog);
    dialog.showModal();
    input.value = text;
    input.select();
    look();
  }

  input.addEventListener("input", () => {
    // Until the answer to what was typed is there, Enter must not go where the answer before it led.
    // Nor may that answer come now, when it was still on its way.
    asked += 1;
    options = [];
    choose(0);
    list.replaceChildren();
    said.textContent = "";
    clearTimeout(waiting);
    waiting = setTimeout(look, WAIT_MS);
  });
  input.addEventListener("keydown", (event) => {
    const steps = { ArrowDown: chosen + 1, ArrowUp: chosen - 1 };
    if (event.key in steps) choose(steps[event.key]);
    else if (event.key === "Enter") location.assign(options[chosen]?.href ?? page());
    else return;
    event.preventDefault();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  box.addEventListener("mousedown", (event) => {
    event.preventDefault();
    open(box.value);
  });
  document.addEventListener("doorward:find", () => open());
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
    event.preventDefault();
    open();
  });
}
