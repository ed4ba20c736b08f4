// Keeps ages true while a page stays open: "3 min ago" becomes "4 min ago". The moment itself stands in the element, and what the
// server wrote stays where no script runs. Lengths read as the server writes them.
const EVERY_MS = 15_000;
const ages = [...document.querySelectorAll("time[data-age]")];

function length(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const minutes = Math.floor(seconds / 60), hours = Math.floor(seconds / 3600), days = Math.floor(seconds / 86400);
  if (seconds < 60) return `${seconds} s`;
  if (hours < 1) return `${minutes} min`;
  if (days < 1) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return days === 1 ? "1 day" : `${days} days`;
}

// The server's clock, as far as the page tells it: a wrong clock of this machine moves no age.
const made = Date.now() - performance.now();
const begun = ages.map((age) => Number(age.dataset.age));
function tell() {
  const passed = Date.now() - made;
  ages.forEach((age, place) => { age.textContent = `${length(begun[place] + passed)} ago`; });
}
if (ages.length) setInterval(tell, EVERY_MS);
