// A curve that the reader draws: points at fixed places, dragged up and down, each of which is a slider as well.

const SVG = "http://www.w3.org/2000/svg";

export function axes(document, board) {
  const { x, y, places, range: [low, high], measured } = JSON.parse(board.dataset.sketch);
  const make = (name, className, textContent = "") => Object.assign(document.createElement(name), { className, textContent });
  const across = (i) => (100 * (i + 0.5)) / places.length, share = (value) => (100 * (value - low)) / (high - low);
  const short = (value) => String(+value.toPrecision(2));

  const plot = make("div", "plot"), lines = document.createElementNS(SVG, "svg");
  lines.setAttribute("viewBox", "0 0 100 100");
  lines.setAttribute("preserveAspectRatio", "none");
  lines.setAttribute("aria-hidden", "true");
  const [yours, theirs] = ["yours", "measured"].map((name) => {
    const line = lines.appendChild(document.createElementNS(SVG, "polyline"));
    line.setAttribute("class", name);
    return line;
  });
  plot.append(lines);
  for (const value of [low, (low + high) / 2, high]) {
    const tick = plot.appendChild(make("span", "y", short(value)));
    tick.style.bottom = `${share(value)}%`;
  }
  const inputs = places.map((place, i) => {
    const tick = plot.appendChild(make("span", "x", place));
    const input = plot.appendChild(make("input", ""));
    Object.assign(input, { type: "range", min: low, max: high, step: (high - low) / 50, value: (low + high) / 2 });
    Object.assign(input, { autocomplete: "off", ariaLabel: `${y} at ${x} ${place}` });
    const point = plot.appendChild(make("i", "point"));
    for (const each of [tick, input, point]) each.style.left = `${across(i)}%`;
    return input;
  });
  const key = make("p", "key");
  key.append(make("b", "yours", "yours"), make("b", "measured", "measured"));
  key.lastChild.hidden = true;
  board.append(make("p", "name", y), plot, make("p", "name along", x), key);
  board.append(make("p", "help", "Draw with the mouse or a finger, or move each point with the arrow keys."));
  board.classList.add("ready");
  let touched = false;

  const line = (values) => values.map((value, i) => `${across(i)},${100 - share(value)}`).join(" ");

  function show() {
    const values = inputs.map((input) => +input.value);
    yours.setAttribute("points", line(values));
    inputs.forEach((input, i) => {
      input.nextSibling.style.bottom = `${share(values[i])}%`;
      input.ariaValueText = short(values[i]);
    });
  }

  function drag(event) {
    const box = plot.getBoundingClientRect();
    const i = Math.floor(((event.clientX - box.left) / box.width) * places.length);
    const input = inputs[Math.min(places.length - 1, Math.max(0, i))];
    input.value = low + ((box.bottom - event.clientY) / box.height) * (high - low);
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  plot.addEventListener("input", () => ((touched = true), show()));
  plot.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    plot.setPointerCapture(event.pointerId);
    drag(event);
  });
  plot.addEventListener("pointermove", (event) => plot.hasPointerCapture(event.pointerId) && drag(event));
  show();

  return {
    drawn: () => (touched ? inputs.map((input) => input.value).join(" ") : ""),
    draw(text) {
      text.split(" ").forEach((value, i) => (inputs[i].value = value));
      touched = true;
      show();
    },
    reveal(open) {
      if (open) theirs.setAttribute("points", line(measured));
      else theirs.removeAttribute("points");
      key.lastChild.hidden = !open;
    },
    compared: () => `Measured, from left to right: ${measured.map(short).join(", ")}.`,
  };
}
