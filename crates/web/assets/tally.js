// Keeps the count in the side bar true while a page stays open: how many calls wait for a yes. It asks while somebody looks, and that is no
// use of their session: whoever is away is signed out as if it asked nothing. What the server wrote stays where no script runs.
const EVERY_MS = 20_000;
const tally = document.querySelector("[data-tally]");

function show(waiting) {
  tally.hidden = waiting === 0;
  tally.querySelector("span").textContent = waiting;
}

async function ask() {
  if (document.hidden) return;
  try {
    const { default: answer } = await import(`${tally.dataset.tally}?at=${Date.now()}`);
    show(answer.waiting);
  } catch {
    // Signed out, or no answer: what stands there was true when it was written.
  }
}

if (tally) {
  setInterval(ask, EVERY_MS);
  document.addEventListener("visibilitychange", ask);
}
