// Keys of the console: "?" shows them all, "g" and a letter goes to a place of the side bar, "/" opens the find box. Single keys can
// be turned off in the sheet that "?" shows, since whoever speaks to their computer would press them unmeant; the browser keeps that.
// Nothing is reached by a key alone.
const OFF = "doorward-single-keys-off";
const SECOND_KEY_MS = 1500;
const sheet = document.getElementById("shortcuts");
const opener = document.querySelector("[popovertarget=shortcuts]");
let goes = 0;

const kept = () => {
  try {
    return localStorage.getItem(OFF) === "yes";
  } catch {
    return false;
  }
};
let isOff = kept();

const toggle = sheet?.querySelector("input[type=checkbox]");
if (toggle) {
  toggle.checked = !isOff;
  toggle.addEventListener("change", () => {
    isOff = !toggle.checked;
    try {
      if (isOff) localStorage.setItem(OFF, "yes");
      else localStorage.removeItem(OFF);
    } catch {
      // It holds for this page, then.
    }
  });
}

const isWriting = (element) =>
  element.isContentEditable || ["SELECT", "TEXTAREA"].includes(element.tagName) ||
  (element.tagName === "INPUT" && !["checkbox", "radio", "button", "submit"].includes(element.type));

document.addEventListener("keydown", (event) => {
  const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (isOff || !plain || isWriting(event.target) || document.querySelector("dialog:modal")) return;
  const went = event.timeStamp - goes < SECOND_KEY_MS && goes > 0;
  goes = 0;
  if (went) {
    const to = document.querySelector(`a[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
    if (to) location.assign(to.href);
  } else if (event.key === "g") {
    goes = event.timeStamp;
  } else if (event.key === "/" && document.querySelector("form.find")) {
    event.preventDefault();
    document.dispatchEvent(new CustomEvent("doorward:find"));
  } else if (event.key === "?" && opener) {
    event.preventDefault();
    sheet.togglePopover();
  }
});
