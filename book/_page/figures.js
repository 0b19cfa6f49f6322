// The live figures of the chapters: one engine for all of a page, of which one at a time computes.

import { Curves } from "./curves.js";
import { KINDS } from "./kinds.js";
import { backendWords, button, decoded, fileOf, make, onProcessor, pace, putPicture, slider, tell } from "./page.js";
import { resized, targetSize } from "./pictures.js";
import { connect, fetchEngine } from "./port.js";

const LARGEST = 384; // of a sample

export async function open(document, folder) {
  const workshop = new Workshop(document, folder);
  Object.assign(workshop, await fetchEngine(document, folder)); // weights, samples
  await workshop.connect();
  return workshop;
}

class Workshop {
  constructor(document, folder) {
    this.document = document;
    this.folder = folder;
    this.scope = document.defaultView;
    this.backend = null; // the best that works
    this.number = 0; // of the run
    this.figure = null; // whose run it is
    this.loaded = {};
  }

  async connect() {
    this.port?.close();
    const hear = (message) => this.hear(message);
    this.port = await connect(this.scope, this.folder, this.scope.styletutSettings, this.weights, hear, this.backend);
    this.backend = this.port.backend;
    this.where = backendWords(this.port.backends)[this.backend];
    this.broken = false;
  }

  // A sample by name.
  picture(name) {
    const sample = this.samples.find((each) => each.name === name);
    return (this.loaded[name] ??= decoded(this.document, fileOf(sample), LARGEST));
  }

  async show(place) {
    const figure = new LiveFigure(this, place);
    await figure.load();
    await figure.start();
  }

  async start(figure, message) {
    if (this.figure !== figure) this.figure?.released();
    this.figure = figure;
    if (this.broken) await this.connect();
    this.number += 1;
    this.port.send({ kind: "start", number: this.number, backend: this.backend, going: true, ...message });
  }

  send(figure, message) {
    if (this.figure === figure) this.port.send(message);
  }

  hear(message) {
    if (message.number !== undefined && message.number !== this.number) return;
    if (message.kind === "failed") Object.assign(this, { broken: true, backend: message.instead });
    this.figure?.hear(message);
  }
}

class LiveFigure {
  constructor(workshop, place) {
    this.workshop = workshop;
    this.document = workshop.document;
    this.place = place;
    this.name = place.dataset.figure;
    this.kind = KINDS[this.name];
    const { figures, sizes } = workshop.scope.styletutFigureSettings;
    const size = onProcessor(workshop.backend) ? sizes[1] : sizes[0];
    const { content, style, recipes, choices } = figures[this.name];
    this.samples = { content, style };
    this.recipes = recipes.map((recipe) => ({ ...structuredClone(recipe), size }));
    this.choices = choices;
    this.reset();
    this.build();
  }

  async load() {
    const { workshop, samples } = this;
    this.sources = { content: await workshop.picture(samples.content), style: await workshop.picture(samples.style) };
    for (const { source, canvas } of this.panes) if (source) putPicture(canvas, this.small(source));
    this.place.append(this.bench);
  }

  // One of the two pictures at the size of the run.
  small(role) {
    const { rows, columns } = this.sources[role];
    return resized(this.sources[role], ...targetSize(rows, columns, this.recipes[0].size));
  }

  reset() {
    this.phase = "paused"; // starting, painting, paused, finished
    this.live = false; // whether the engine has this run
    this.pictures = null;
    this.state = null;
    this.recent = [];
    this.steps = 0;
  }

  // --- what is on the page ---------------------------------------------------------------------------------

  build() {
    const { document } = this;
    this.panes = this.kind.panes.map((pane) => {
      const canvas = make(document, "canvas", { role: "img", "aria-label": pane.title, width: 3, height: 2 });
      const note = make(document, "span", { class: "value" });
      const label = make(document, "p", {}, make(document, "span", {}, pane.title), " ", note);
      return { ...pane, canvas, note, element: make(document, "div", { class: "pane" }, canvas, label) };
    });
    this.go = button(document, "Pause", () => this.toggle(), { class: "primary" });
    this.again = button(document, "Reset", () => this.begin());
    this.status = make(document, "p", { class: "status" });
    this.spoken = make(document, "p", { class: "visually-hidden", role: "status" }); // not at each step
    this.alert = make(document, "p", { class: "alert", role: "alert", hidden: "" });
    this.curves = new Curves(document, this.kind.curves, this.kind.unit);
    this.controls = this.kind.controls(this);
    const half = make(document, "div", { class: "half" }, make(document, "div", { class: "controls" }, ...this.controls.map(({ element }) => element)));
    half.append(this.curves.svg);
    this.bench = make(
      document,
      "div",
      { class: "bench" },
      make(document, "div", { class: "panes" }, ...this.panes.map(({ element }) => element)),
      make(document, "div", { class: "acts" }, this.go, this.again, this.status, this.spoken),
      this.alert,
      half,
    );
    document.addEventListener("visibilitychange", () => this.draw());
    this.update();
  }

  // A slider for a number of the recipe, which says what it is set to; `note` adds what the engine found.
  slider(key, title, range, { value, set, say = String, note = () => "" }) {
    const made = slider(this.document, `${this.place.id}-${key}`, title, title, range, (x) => this.change(() => set(x)));
    const update = () => {
      if (this.document.activeElement !== made.input) made.input.value = value();
      tell(made, [say(Number(made.input.value)), note()].filter(Boolean).join(", "));
    };
    return { element: made.element, update };
  }

  // Boxes to tick: `has(name)` and `set(name, ticked)`. Several may be ticked, or of a `group` one. What follows is `act`,
  // unless another, a run that goes on.
  boxes(title, names, { has, set, group = "", act = (tick) => this.change(tick), note = () => "" }) {
    const { document } = this;
    const kind = group ? { type: "radio", name: `${this.place.id}-${group}` } : { type: "checkbox" };
    const rows = names.map((name) => {
      const input = make(document, "input", kind);
      const value = make(document, "span", { class: "value" });
      input.addEventListener("change", () => act(() => set(name, input.checked)));
      return { name, input, value, element: make(document, "label", { class: "box" }, input, make(document, "span", {}, name), " ", value) };
    });
    const boxes = make(document, "div", { class: group ? "group" : "" }, ...rows.map((row) => row.element));
    const element = make(document, "fieldset", {}, make(document, "legend", {}, title), boxes);
    const update = () => {
      for (const { name, input, value } of rows) {
        input.checked = has(name);
        value.textContent = note(name);
      }
    };
    return { element, update };
  }

  // What the figure lets a recipe choose among, each with which the run begins anew: it would go on from what the one
  // before has made.
  choice(key, title, i = 0) {
    const options = this.choices[key];
    const same = ([field, value]) => JSON.stringify(this.recipes[i][field]) === JSON.stringify(value);
    return this.boxes(title, Object.keys(options), {
      group: `${key}-${i}`,
      has: (name) => Object.entries(options[name]).every(same),
      set: (name) => (this.recipes[i] = { ...this.recipes[i], ...options[name] }),
      act: (choose) => this.change(choose, () => this.begin()),
    });
  }

  // --- what the reader does --------------------------------------------------------------------------------

  toggle() {
    if (this.phase === "painting" || this.phase === "starting") {
      this.phase = "paused";
      this.workshop.send(this, { kind: "pause" });
    } else if (this.live) {
      this.phase = "painting";
      this.workshop.send(this, { kind: "go on" });
    } else {
      this.start();
    }
    this.update();
  }

  async begin() {
    this.reset();
    this.curves.clear();
    await this.start();
  }

  // From the recipes' start, or from where the run was when another figure, or a failure, took the engine away.
  async start() {
    this.say(this.impossible());
    if (this.impossible()) return;
    this.phase = "starting";
    this.live = true;
    this.update();
    const { pictures, recipes, sources, kind } = this;
    const run = kind.race ? { recipes, from: pictures } : { recipe: recipes[0], from: pictures?.[0] ?? null, apart: kind.apart };
    await this.workshop.start(this, { pictures: sources, ...run });
  }

  // Another setting: the run goes on from where it is, unless something else follows.
  change(act, follows = () => this.sendChange()) {
    act();
    this.update();
    clearTimeout(this.changing);
    this.changing = setTimeout(follows, 150);
  }

  sendChange() {
    const reason = this.impossible();
    this.say(reason);
    if (reason && this.phase !== "paused") this.toggle();
    if (reason || !this.live) return;
    this.curves.turn(this.steps);
    const going = this.phase !== "paused";
    if (going) this.phase = "painting";
    this.workshop.send(this, { kind: "change", recipe: this.recipes[0], recipes: this.kind.race ? this.recipes : undefined, going });
    this.update();
  }

  // Why these settings leave nothing to compute, or "".
  impossible() {
    const { content_weight, style_weight, style_layers, tv_weight } = this.recipes[0];
    if (!content_weight && !tv_weight && !(style_weight && Object.keys(style_layers).length)) return "Give something a weight: nothing is asked for.";
    return this.kind.impossible?.(this.recipes[0]) ?? "";
  }

  // --- what the engine says --------------------------------------------------------------------------------

  released() {
    if (this.phase !== "finished") this.phase = "paused";
    this.live = false;
    this.update();
  }

  hear(message) {
    if (message.kind === "step") {
      this.pictures = message.pictures;
      if (message.state) this.stepped(message.state);
      else if (this.phase === "starting") this.phase = "painting";
      this.draw();
    } else if (message.kind === "finished") {
      this.phase = "finished";
    } else if (message.kind === "failed") {
      this.phase = "paused";
      this.live = false;
      this.say(`The computation stopped (${message.message}). Go on continues from the picture.`);
    }
    this.update();
  }

  stepped(state) {
    this.steps += 1;
    this.recent = [...this.recent, state.seconds].slice(-8);
    this.state = state;
    this.curves.add(this.steps, this.kind.losses(state));
    const reason = state.reasons?.find(Boolean);
    if (reason) this.say(reason);
  }

  // --- what is shown ---------------------------------------------------------------------------------------

  draw() {
    if (this.document.hidden || !this.pictures) return;
    for (const { canvas, note, picture, says } of this.panes) {
      const drawn = picture?.(this.pictures, this.state, this);
      if (drawn) putPicture(canvas, drawn);
      if (says) note.textContent = this.state ? says(this.state) : "";
    }
    if (this.state) this.curves.draw();
  }

  say(text = "") {
    this.alert.hidden = !text;
    this.alert.textContent = text;
  }

  update() {
    this.go.textContent = { starting: "Pause", painting: "Pause", paused: "Go on", finished: "Go further" }[this.phase];
    for (const control of this.controls) control.update();
    this.status.textContent = this.sentence();
    if (this.phase !== this.news) this.spoken.textContent = this.status.textContent;
    this.news = this.phase;
  }

  sentence() {
    const { where, port } = this.workshop;
    const on = `on the ${where}${port.place === "page" ? ", in this page’s own thread" : ""}`;
    if (!this.state) return this.phase === "paused" ? "Not begun." : `The first ${this.kind.unit} takes longest, ${on}.`;
    const { rows, columns } = this.pictures[0];
    const phase = { paused: `Paused at ${this.kind.unit}`, finished: `Finished after ${this.kind.unit}` }[this.phase];
    const unit = this.kind.unit[0].toUpperCase() + this.kind.unit.slice(1);
    return `${phase ?? unit} ${this.steps}, ${columns} × ${rows} pixels, ${pace(this.recent, this.kind.unit)}, ${on}.`;
  }
}
