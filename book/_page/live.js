// A live figure before the reader asks: its still picture, and a button. This is all that a chapter loads by itself.

import { DOWNLOAD, load } from "./load.js";

export function begin(document) {
  const folder = new URL(".", document.currentScript.src).href;
  const opened = () => load(document, `${folder}figures.js`).then(() => document.defaultView.styletutFigures().open(document, folder));
  let workshop = null; // one for all figures of the page
  const shared = () => (workshop ??= opened().catch((error) => ((workshop = null), Promise.reject(error))));
  for (const place of document.querySelectorAll(".styletut-live")) offer(document, place, shared);
}

function offer(document, place, shared) {
  const start = Object.assign(document.createElement("button"), { type: "button", className: "primary", textContent: "Start" });
  const note = Object.assign(document.createElement("p"), { className: "quiet", id: `${place.id}-note` });
  note.textContent = `Loads ${DOWNLOAD} once for this page, then computes here, on your device.`;
  start.setAttribute("aria-describedby", note.id);
  const offered = document.createElement("div");
  offered.className = "offer";
  offered.append(start, note);
  place.append(offered);
  place.classList.add("ready");
  start.addEventListener("click", async () => {
    start.disabled = true;
    start.textContent = "Loading …";
    try {
      const workshop = await shared();
      await workshop.show(place);
      offered.remove();
      place.classList.add("open");
      place.querySelector(".acts button").focus({ preventScroll: true });
    } catch (error) {
      start.disabled = false;
      start.textContent = "Try again";
      note.textContent = `${error.message}. Is the folder of the book complete?`;
    }
  });
}
