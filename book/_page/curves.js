// Loss curves by term, as an SVG that follows a run: logarithmic, each curve labelled where it ends.

const NAMESPACE = "http://www.w3.org/2000/svg";
const WIDTH = 420;
const HEIGHT = 230;
const MARGIN = { left: 36, right: 88, top: 10, bottom: 26 };
const MOST = 400; // points that are drawn of a curve

// The terms that a reader tells apart, and which losses each of them adds up: a class of the style sheet, a label, a test.
export const TERMS = [
  { key: "total", label: "total", of: (name) => name === "total" },
  { key: "style", label: "style", of: (name) => name.startsWith("style/") },
  { key: "content", label: "content", of: (name) => name.startsWith("content/") },
  { key: "smooth", label: "smoothness", of: (name) => name === "tv" },
];

export function byTerm(losses, terms = TERMS) {
  const found = {};
  for (const { key, of } of terms) {
    const values = Object.entries(losses).filter(([name]) => of(name));
    if (values.length) found[key] = values.reduce((sum, [, value]) => sum + value, 0);
  }
  return found;
}

export class Curves {
  constructor(document, terms = TERMS, unit = "step") {
    Object.assign(this, { document, terms, unit });
    this.svg = this.element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", class: "curves" });
    this.clear();
  }

  clear() {
    this.points = [];
    this.turns = []; // steps at which a finer scale or another setting began
    this.draw();
  }

  turn(step) {
    if (this.turns[this.turns.length - 1] !== step) this.turns.push(step);
  }

  add(step, losses) {
    this.points.push({ step, ...byTerm(losses, this.terms) });
  }

  draw() {
    const { svg, points } = this;
    svg.replaceChildren();
    const values = points.flatMap((point) => this.terms.map(({ key }) => point[key])).filter((value) => value > 0);
    const high = Math.log10(Math.max(1e-6, ...values) * 1.15);
    const low = Math.min(high - 0.5, Math.log10(Math.max(1e-9, Math.min(...values, 10 ** high) / 1.15)));
    const last = Math.max(10, points.length ? points[points.length - 1].step : 0);
    const x = (step) => MARGIN.left + ((WIDTH - MARGIN.left - MARGIN.right) * step) / last;
    const y = (value) =>
      MARGIN.top + (HEIGHT - MARGIN.top - MARGIN.bottom) * ((high - Math.log10(Math.max(value, 10 ** low))) / (high - low));
    this.axes(x, y, low, high, last);
    for (const step of this.turns) {
      svg.append(this.element("line", { class: "turn", x1: x(step), x2: x(step), y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom }));
    }
    const ends = [];
    for (const { key, label } of this.terms) {
      const drawn = thinned(points.filter((point) => point[key] > 0));
      if (!drawn.length) continue;
      const path = drawn.map((point) => `${x(point.step).toFixed(1)},${y(point[key]).toFixed(1)}`).join(" ");
      svg.append(this.element("polyline", { class: `curve ${key}`, points: path }));
      const end = drawn[drawn.length - 1];
      ends.push({ key, label, value: end[key], at: y(end[key]), x: x(end.step) });
    }
    ends.sort((a, b) => a.at - b.at);
    ends.forEach((end, i) => {
      if (i) end.at = Math.max(end.at, ends[i - 1].at + 17); // labels do not lie on each other
    });
    for (const { key, label, at, x: from } of ends) {
      svg.append(this.element("text", { class: `name ${key}`, x: from + 7, y: at + 4 }, label));
    }
    const said = ends.map(({ label, value }) => `${label} ${value.toPrecision(3)}`).join(", ");
    svg.setAttribute("aria-label", ends.length ? `Losses at ${this.unit} ${points[points.length - 1].step}: ${said}` : "No losses yet");
  }

  axes(x, y, low, high, last) {
    const bottom = HEIGHT - MARGIN.bottom;
    for (let exponent = Math.ceil(low); exponent <= high; exponent++) {
      const at = y(10 ** exponent);
      this.svg.append(this.element("line", { class: "grid", x1: MARGIN.left, x2: WIDTH - MARGIN.right, y1: at, y2: at }));
      const label = exponent >= -2 && exponent <= 3 ? String(Number((10 ** exponent).toPrecision(1))) : `1e${exponent}`;
      this.svg.append(this.element("text", { class: "tick", x: MARGIN.left - 6, y: at + 4, "text-anchor": "end" }, label));
    }
    this.svg.append(this.element("line", { class: "axis", x1: MARGIN.left, x2: WIDTH - MARGIN.right, y1: bottom, y2: bottom }));
    for (const share of [0, 0.5, 1]) {
      const step = Math.round(last * share);
      this.svg.append(this.element("text", { class: "tick", x: x(step), y: bottom + 18, "text-anchor": "middle" }, String(step)));
    }
    this.svg.append(this.element("text", { class: "tick", x: WIDTH, y: bottom + 18, "text-anchor": "end" }, this.unit));
  }

  element(name, attributes, text = null) {
    const made = this.document.createElementNS(NAMESPACE, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== null) made.textContent = text;
    return made;
  }
}

function thinned(points) {
  const every = Math.ceil(points.length / MOST);
  return points.filter((_, i) => i % every === 0 || i === points.length - 1);
}
