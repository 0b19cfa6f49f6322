// What the pages of the book ask: predictions, which are answered before what happens is shown, and exercises.
// Nothing is sent; what is predicted is kept until the window is closed.

import { judge, shape } from "./judge.js";
import { axes } from "./sketch.js";

export function begin(document) {
  for (const place of document.querySelectorAll(".styletut-predict")) predict(document, place);
  for (const place of document.querySelectorAll(".styletut-check")) offer(document, place);
  printFolds(document);
}

function predict(document, place) {
  const outcome = place.querySelector("details.outcome"), summary = outcome.querySelector("summary");
  const options = [...place.querySelectorAll("input[type=radio]")], sentence = place.querySelector("textarea");
  const board = place.querySelector(".sketch"), sketch = board && axes(document, board);
  const said = element(document, "p", { className: "said" });
  said.setAttribute("role", "status");
  outcome.before(said);
  const memory = remembered(document, place.id);
  const chosen = () =>
    (sketch ? sketch.drawn() : sentence ? sentence.value.trim() : options.find((option) => option.checked)?.value) || "";

  function show() {
    const answer = chosen(), right = outcome.dataset.right;
    for (const option of options)
      option.closest("label").classList.toggle("happens", outcome.open && option.value === right);
    if (answer) said.classList.remove("missing");
    sketch?.reveal(outcome.open);
    if (outcome.open && sketch) said.textContent = sketch.compared();
    else if (!outcome.open || !answer || sentence) said.textContent = "";
    else said.textContent = answer === right ? `You said ${answer}, and so it is.` : `You said ${answer}; it is ${right}.`;
  }

  summary.addEventListener("click", (event) => {
    if (outcome.open || chosen()) return;
    event.preventDefault();
    said.classList.add("missing");
    said.textContent = sketch ? "First draw your curve." : sentence ? "First write what you expect." : "First choose one.";
  });
  outcome.addEventListener("toggle", show);
  place.addEventListener("input", () => (memory.keep(chosen()), show()));

  const before = memory.recall();
  if (sketch && before) sketch.draw(before);
  if (sentence && !sentence.value) sentence.value = before;
  for (const option of options) if (option.value === before) option.checked = true;
}

// A window's own storage; a browser may refuse it, which is no matter.
function remembered(document, id) {
  const window = document.defaultView, key = `styletut ${window.location.pathname} ${id}`;
  const quietly = (act) => {
    try {
      return act(window.sessionStorage);
    } catch {
      return null;
    }
  };
  return { keep: (text) => quietly((storage) => storage.setItem(key, text)), recall: () => quietly((storage) => storage.getItem(key)) ?? "" };
}

const HELP = [
  "A number, or a sum such as 3 * 4 or 1/8.",
  "Numbers, with commas between them.",
  "A row on each line, with commas between its numbers.",
];

function offer(document, place) {
  const exercise = JSON.parse(place.dataset.exercise), word = typeof exercise.wanted === "string";
  const depth = word ? 0 : shape(exercise.wanted).length, rows = depth > 1 ? exercise.wanted.length : 0;
  const box = place.closest(".exercise"), id = `${box.id}-answer`;
  const label = element(document, "label", { htmlFor: id, textContent: "Your answer" });
  const field = rows ? element(document, "textarea", { rows }) : element(document, "input", { type: "text" });
  Object.assign(field, { id, autocomplete: "off", spellcheck: false, autocapitalize: "off" });
  const help = element(document, "p", { className: "help", id: `${id}-help`, textContent: word ? "A word." : HELP[depth] });
  field.setAttribute("aria-describedby", help.id);
  const button = element(document, "button", { type: "submit", textContent: "Check" });
  const verdict = element(document, "output", { className: "verdict" });
  verdict.setAttribute("for", id);
  const form = element(document, "form", { noValidate: true });
  const line = element(document, "div", { className: "line" });
  line.append(field, button);
  form.append(label, line, help, verdict);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const judged = judge(field.value, exercise);
    verdict.classList.toggle("right", judged?.right === true);
    verdict.textContent = judged === null ? "Not answered yet." : judged.right ? "Right." : `Not yet. ${judged.hint}`;
  });
  field.addEventListener("input", () => (verdict.textContent = ""));
  place.append(form);
}

// On paper, nothing is folded that was asked.
function printFolds(document) {
  let closed = [];
  document.defaultView.addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details.outcome:not([open])")];
    for (const fold of closed) fold.open = true;
  });
  document.defaultView.addEventListener("afterprint", () => {
    for (const fold of closed) fold.open = false;
  });
}

function element(document, name, properties) {
  return Object.assign(document.createElement(name), properties);
}
