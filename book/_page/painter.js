// The page "Paint your own": its controls, and what they say to the engine.

import { Curves } from "./curves.js";
import { estimate, readableBytes, readableTime } from "./estimate.js";
import { DOWNLOAD, EXTRAS, load } from "./load.js";
import { decodeWeights } from "./network.js";
import { address, backendWords, button, decade, decoded, fileOf, logOf, make, onProcessor, pace, putPicture, slider, tell } from "./page.js";
import { targetSize } from "./pictures.js";
import { connect, fetchEngine } from "./port.js";
import { asCommand, asPython, manifest, withText } from "./words.js";

const SIZES = [64, 96, 128, 192, 256, 384, 512];
const SLOW_SIZE = 96; // to begin with, where there is no graphics chip
const LARGEST = 1024; // of what a reader brings, so much is kept
const STARTS = { matched: "photograph in the painting’s colours", content: "photograph", style: "painting", noise: "noise" };
const OPTIMISERS = { lbfgs: "L-BFGS", adam: "Adam" };
const STYLE_LOSSES = { "mean-covariance": "mean and covariance", relative: "Gram matrix" };
const POOLINGS = { "max-same": "maximum", max: "maximum, odd edges dropped", average: "average" };
const RECIPES = { fast: "fast", gram: "gram, the book’s losses" };
const ROLES = { content: ["Photograph", "photograph", "cat"], style: ["Painting", "style", "starry_night"] };

export function begin(document) {
  for (const place of document.querySelectorAll(".styletut-painter")) new Page(document, place).poster();
}

class Page {
  constructor(document, place) {
    this.document = document;
    this.scope = document.defaultView;
    this.place = place;
    this.folder = new URL(".", document.currentScript.src).href;
    this.settings = this.scope.styletutSettings;
    this.recipe = structuredClone(this.settings.recipes.fast);
    this.pictures = { content: null, style: null };
    this.port = null;
    this.weights = [];
    this.reset();
  }

  // A run that has not begun; what the engine still says of the one before is not heard.
  reset() {
    this.number = (this.number ?? 0) + 1;
    this.phase = "idle"; // idle, starting, painting, paused, finished
    this.picture = null;
    this.state = null;
    this.seconds = 0;
    this.recent = [];
    this.evaluations = 0;
    this.steps = 0;
    this.missed = false;
  }

  // --- before the reader asks ------------------------------------------------------------------------------

  poster() {
    const opener = this.button("Open the painter", () => this.opened(opener, note, box), { class: "primary large" });
    const note = this.make("p", { class: "quiet" }, `Loads ${DOWNLOAD} from beside this page. Your pictures stay on this device.`);
    const box = this.make("div", { class: "poster" }, opener, note);
    this.place.append(box);
    this.place.classList.add("ready");
  }

  async opened(opener, note, box) {
    opener.disabled = true;
    opener.textContent = "Loading …";
    try {
      await this.open();
      box.remove();
      this.place.classList.add("open");
      this.buttons.go.focus({ preventScroll: true });
    } catch (error) {
      opener.disabled = false;
      opener.textContent = "Try again";
      note.textContent = `${error.message}. Is the folder of the book complete?`;
    }
  }

  async open() {
    Object.assign(this, await fetchEngine(this.document, this.folder)); // weights, samples
    await this.reconnect();
    if (onProcessor(this.backend)) this.recipe.size = SLOW_SIZE;
    this.backendNames = backendWords(this.port.backends);
    this.build();
    await Promise.all(Object.entries(ROLES).map(([role, [, , name]]) => this.take(role, this.sample(name))));
    this.probe();
    this.update();
  }

  // A fresh engine on that back end, or else on the best that works; one after the other.
  reconnect(backend = null) {
    const hear = (message) => this.hear(message);
    this.connected = Promise.resolve(this.connected).then(async () => {
      this.port?.close();
      this.port = await connect(this.scope, this.folder, this.settings, this.weights, hear, backend);
      this.backend = this.port.backend;
      if (backend && backend !== this.backend)
        this.say(`The ${this.backendNames[backend]} does not work here: computed on the ${this.backendNames[this.backend]}.`);
    });
    return this.connected;
  }

  sample(name) {
    return this.samples.find((each) => each.name === name);
  }

  // --- what is on the page ---------------------------------------------------------------------------------

  build() {
    this.status = this.make("p", { class: "status" });
    this.spoken = this.make("p", { class: "visually-hidden", role: "status" }); // not at each step
    this.alert = this.make("p", { class: "alert", role: "alert", hidden: "" });
    const wells = this.make("div", { class: "wells" }, this.well("content"), this.well("style"));
    this.root = this.make("div", { class: "studio" }, wells, this.stage(), this.transport(), this.alert, this.panels());
    this.place.append(this.root);
    this.document.addEventListener("visibilitychange", () => {
      if (!this.missed || this.document.hidden) return; // painted on in the background, without drawing
      this.draw();
      this.curves.draw();
    });
    this.place.addEventListener("paste", (event) => this.pasted(event));
    this.document.addEventListener("paste", (event) => !this.place.contains(event.target) && this.pasted(event));
  }

  // Where one of the two pictures is chosen.
  well(role) {
    const [title, kind] = ROLES[role];
    const id = `painter-${role}`;
    const image = this.make("img", { alt: "", draggable: "false" });
    const name = this.make("span", { class: "picked" });
    const input = this.make("input", { type: "file", accept: "image/*", id, class: "visually-hidden" });
    const label = this.make("label", { for: id, class: "button" }, "Choose a file");
    const strip = this.make("div", { class: "strip", role: "group", "aria-label": `${title}: samples` });
    for (const sample of this.samples.filter((each) => each.kind === kind)) {
      const thumb = this.make("img", { alt: sample.title, src: address(sample), loading: "lazy" });
      const choose = this.make("button", { type: "button", title: `${sample.title}, ${sample.author}`, "aria-pressed": "false" }, thumb);
      choose.dataset.sample = sample.name;
      choose.addEventListener("click", () => this.take(role, sample));
      strip.append(choose);
    }
    const well = this.make(
      "section",
      { class: "well", "aria-label": title },
      this.make("div", { class: "frame" }, image, this.make("span", { class: "hint" }, "Drop or paste a picture")),
      this.make("div", { class: "label" }, this.make("h2", {}, title), name, input, label),
      strip,
    );
    input.addEventListener("change", () => input.files[0] && this.take(role, input.files[0]));
    well.addEventListener("dragover", (event) => {
      event.preventDefault();
      well.classList.add("over");
    });
    well.addEventListener("dragleave", () => well.classList.remove("over"));
    well.addEventListener("drop", (event) => {
      event.preventDefault();
      well.classList.remove("over");
      if (event.dataTransfer.files[0]) this.take(role, event.dataTransfer.files[0]);
    });
    well.addEventListener("pointerdown", () => (this.pasteInto = role));
    well.addEventListener("focusin", () => (this.pasteInto = role));
    this.wells = { ...this.wells, [role]: { image, name, strip } };
    return well;
  }

  stage() {
    this.canvas = this.make("canvas", { class: "after", role: "img", "aria-label": "The picture, not yet begun" });
    this.before = this.make("img", { class: "before", alt: "", draggable: "false" });
    this.divider = this.make("input", {
      type: "range", class: "divider", min: "0", max: "100", value: "0", step: "1", "aria-label": "Compare with the photograph",
    });
    this.bar = this.make("div", { class: "bar" }, this.make("i", {}));
    this.knob = this.make("div", { class: "line", "aria-hidden": "true" });
    this.divider.addEventListener("input", () => this.compare());
    return this.make("div", { class: "stage" }, this.make("div", { class: "sheet" }, this.canvas, this.before, this.knob, this.divider), this.bar);
  }

  transport() {
    this.buttons = {
      go: this.button("Start painting", () => this.toggle(), { class: "primary" }),
      again: this.button("Begin again", () => this.again()),
      save: this.button("Save PNG", () => this.save()),
      python: this.button("Copy as Python", () => this.copy("python")),
      command: this.button("Copy as command", () => this.copy("command")),
    };
    const sizes = this.select("size", SIZES.map((size) => [size, `${size} pixels`]), (value) => this.change({ size: Number(value) }));
    const row = this.make("div", { class: "acts" }, this.buttons.go, this.buttons.again, this.field("Size", sizes));
    const out = this.make("div", { class: "acts" }, this.buttons.save, this.buttons.python, this.buttons.command);
    return this.make("div", { class: "transport" }, row, this.status, this.spoken, out);
  }

  panels() {
    const { help, choices } = this.settings;
    this.sliders = {};
    this.curves = new Curves(this.document);
    const look = this.make(
      "section",
      { class: "panel look", "aria-label": "Look" },
      this.make("h2", {}, "Look"),
      this.slider("strength", "Strength", help.strength, [0, 1, 0.05], (x) => ({ strength: x })),
      this.slider("content_weight", "Hold on to the photograph", help.content_weight, [-2, 1.5, 0.05], (x) => ({ content_weight: decade(x) })),
      this.slider("tv_weight", "Smoothness", help.tv_weight, [-2, 2, 0.05], (x) => ({ tv_weight: x <= -2 ? 0 : decade(x) })),
    );
    const layers = this.make("div", { class: "layers", role: "group", "aria-label": "Weights of the style layers" });
    this.layers = layers;
    const from = (name, names) => choices[name].map((value) => [value, names[value] ?? value]);
    const selects = this.make(
      "div",
      { class: "selects" },
      this.field("Recipe", this.select("recipe", Object.entries(RECIPES), (value) => this.useRecipe(value))),
      this.field("Styles compared by", this.select("style_loss", from("style_loss", STYLE_LOSSES), (value) => this.change({ style_loss: value }))),
      this.field("Content compared at", this.select("content_layer", this.contentLayers(), (value) => this.change({ content_layers: { [value]: 1 } }))),
      this.field("Optimiser", this.select("optimizer", from("optimizer", OPTIMISERS), (value) => this.change(this.optimiser(value)))),
      this.field("Start from (begins again)", this.select("start", from("start", STARTS), (value) => this.startFrom(value))),
      this.field("Pooling", this.select("pooling", from("pooling", POOLINGS), (value) => this.change({ pooling: value }))),
      this.field("Computed on", this.select("backend", this.port.backends.map((name) => [name, this.backendOption(name)]), (value) => this.useBackend(value))),
      this.field("Depth", this.select("depth", [["relu4_1", "up to relu4_1"], ["relu5_1", "up to relu5_1 (13 MB more)"]], (value) => this.useDepth(value))),
    );
    const method = this.make(
      "details",
      { class: "panel method" },
      this.make("summary", {}, "Method: layers, losses, optimiser"),
      this.make("p", { class: "quiet" }, "How much each layer’s style counts, from fine brushwork to large forms:"),
      layers,
      selects,
    );
    const losses = this.make(
      "section",
      { class: "panel losses", "aria-label": "Losses" },
      this.make("h2", {}, "Losses, each with its weight"),
      this.curves.svg,
    );
    this.showLayers();
    return this.make("div", { class: "panels" }, look, losses, method);
  }

  backendOption(name) {
    return this.backendNames[name] + (name in EXTRAS && name !== this.backend ? `, ${EXTRAS[name]} more` : "");
  }

  contentLayers() {
    const { table, deepest, finer } = this.settings.network;
    const last = table.findIndex((layer) => layer.name === (this.depth === finer ? finer : deepest));
    return table.slice(0, last + 1).filter(({ kind, stride }) => kind === "relu" && stride > 1).map(({ name }) => [name, name]);
  }

  slider(key, title, help, range, value) {
    this.sliders[key] = slider(this.document, `painter-${key}`, title, help, range, (x) => this.change(value(x)));
    return this.sliders[key].element;
  }

  select(key, options, chosen) {
    const made = this.make("select", { id: `painter-${key}` });
    for (const [value, text] of options) made.append(this.make("option", { value }, text));
    made.addEventListener("change", () => chosen(made.value));
    this.selects = { ...this.selects, [key]: made };
    return made;
  }

  field(title, control) {
    return this.make("div", { class: "field" }, this.make("label", { for: control.id }, title), control);
  }

  showLayers() {
    const { table, deepest, finer } = this.settings.network;
    const last = table.findIndex((layer) => layer.name === (this.depth === finer ? finer : deepest));
    const offered = table.slice(0, last + 1).filter(({ kind }, i, all) => kind === "relu" && (i < 2 || all[i - 2].kind === "pool"));
    this.layers.replaceChildren(
      ...offered.map(({ name }) =>
        this.slider(name, name, `the style weight of ${name}`, [0, 1, 0.01], (x) => {
          const weights = { ...this.recipe.style_layers, [name]: x };
          if (!x) delete weights[name];
          return { style_layers: weights };
        }),
      ),
    );
    this.styleLayers = offered.map(({ name }) => name);
  }

  // --- what the reader does --------------------------------------------------------------------------------

  async take(role, source) {
    try {
      const picture = source.jpeg
        ? { sample: source.name, label: `${source.title}, ${source.author}`, blob: fileOf(source) }
        : { file: source.name || "pasted.png", label: source.name || "pasted picture", blob: source };
      picture.pixels = await decoded(this.document, picture.blob, LARGEST);
      if (this.pictures[role]) URL.revokeObjectURL(this.pictures[role].url);
      picture.url = URL.createObjectURL(picture.blob);
      this.pictures[role] = picture;
      const { image, name, strip } = this.wells[role];
      image.src = picture.url;
      image.alt = `${ROLES[role][0]}: ${picture.label}`;
      name.textContent = picture.label;
      for (const each of strip.children) each.setAttribute("aria-pressed", String(each.dataset.sample === picture.sample));
      if (role === "content") this.before.src = picture.url;
      this.say();
      this.abandon();
    } catch (error) {
      this.say(`That picture cannot be read: ${error.message}. JPEG, PNG and WebP can.`);
    }
  }

  pasted(event) {
    const file = [...(event.clipboardData?.files ?? [])].find((each) => each.type.startsWith("image/"));
    if (!file || !this.wells) return;
    event.preventDefault();
    this.take(this.pasteInto ?? "content", file);
  }

  // Other pictures: what was painted of the ones before ends here.
  abandon() {
    if (this.phase === "painting" || this.phase === "starting") this.port.send({ kind: "pause" });
    this.reset();
    this.curves.clear();
    this.placeholder();
    this.update();
  }

  async toggle() {
    if (this.phase === "painting" || this.phase === "starting") {
      this.phase = "paused";
      this.port.send({ kind: "pause" });
    } else if (this.picture && this.live) {
      this.phase = "painting";
      this.port.send({ kind: "go on" });
    } else {
      this.say();
      await this.start(this.picture);
    }
    this.update();
  }

  // A run, from the recipe's start or from a picture that there is.
  async start(from = null) {
    this.phase = "starting";
    this.update();
    if (this.broken) this.reconnect(this.backend); // after a failure
    this.broken = false;
    await this.connected;
    this.live = true;
    const pictures = Object.fromEntries(Object.entries(this.pictures).map(([role, { pixels }]) => [role, pixels]));
    this.port.send({ kind: "start", number: this.number, backend: this.backend, pictures, recipe: this.recipe, from, going: this.phase === "starting" });
  }

  async again() {
    this.say();
    this.reset();
    this.curves.clear();
    await this.start();
  }

  startFrom(start) {
    this.recipe = { ...this.recipe, start };
    if (this.phase === "idle") this.update();
    else this.again();
  }

  change(changes) {
    this.recipe = { ...this.recipe, ...changes };
    this.update();
    clearTimeout(this.changing);
    this.changing = setTimeout(() => this.sendChange(), 150);
  }

  sendChange() {
    if (!this.live || this.phase === "idle") return;
    this.curves.turn(this.steps);
    const going = this.phase !== "paused";
    if (going) this.phase = "painting";
    this.port.send({ kind: "change", recipe: this.recipe, going });
    this.update();
  }

  useRecipe(name) {
    const { size, start } = this.recipe;
    const { content_layers, style_layers } = (this.depth === this.settings.network.finer ? this.settings.bases : this.settings.recipes)[name];
    this.change(structuredClone({ ...this.settings.recipes[name], content_layers, style_layers, size, start }));
  }

  optimiser(name) {
    return { optimizer: name, learning_rate: this.settings.rates[name] };
  }

  async useBackend(name) {
    this.say();
    this.backend = name;
    this.speed = null;
    const going = this.phase === "painting" || this.phase === "starting";
    this.live = false;
    await this.reconnect(name);
    if (going) await this.start(this.picture);
    else if (this.phase === "idle") this.probe();
    this.update();
  }

  async useDepth(name) {
    const { finer } = this.settings.network;
    if (name === finer && !this.finerLoaded) {
      this.say("Loading the deeper layers …");
      try {
        await load(this.document, `${this.folder}weights-finer.js`);
      } catch (error) {
        this.selects.depth.value = this.settings.network.deepest;
        return this.say(`${error.message}: the layers up to ${this.settings.network.deepest} remain.`);
      }
      const more = decodeWeights(this.scope.styletutWeightsFiner);
      delete this.scope.styletutWeightsFiner;
      this.weights = [...this.weights, ...more];
      this.port.send({ kind: "weights", weights: more });
      this.finerLoaded = true;
      this.say();
    }
    this.depth = name;
    this.showLayers();
    const base = this.settings.bases[this.recipe.name];
    const known = new Set(this.styleLayers);
    const kept = Object.fromEntries(Object.entries(this.recipe.style_layers).filter(([layer]) => known.has(layer)));
    if (name === finer) kept[finer] = base.style_layers[finer];
    const options = this.contentLayers();
    this.selects.content_layer.replaceChildren(...options.map(([value, text]) => this.make("option", { value }, text)));
    const content = name === finer ? { ...base.content_layers } : { ...this.settings.recipes[this.recipe.name].content_layers };
    this.change({ style_layers: kept, content_layers: content });
  }

  probe() {
    this.port.send({ kind: "probe", backend: this.backend });
  }

  // --- what the engine says --------------------------------------------------------------------------------

  hear(message) {
    if (message.number !== undefined && message.number !== this.number) return;
    if (message.kind === "probed") {
      if (message.backend === this.backend) this.speed = message.speed;
    } else if (message.kind === "step") {
      if (this.phase === "idle") return;
      this.picture = message.picture;
      if (message.state) this.stepped(message.state);
      else if (this.phase === "starting") this.phase = "painting";
      this.draw();
    } else if (message.kind === "finished") {
      this.phase = "finished";
    } else if (message.kind === "failed") {
      this.failed(message);
    }
    this.update();
  }

  stepped(state) {
    if (this.state && state.scale !== this.state.scale) this.curves.turn(this.steps);
    this.steps += 1;
    this.evaluations += 1;
    this.seconds += state.seconds;
    if (this.state && String(this.state.size) !== String(state.size)) this.recent = [];
    this.recent = [...this.recent, state.seconds].slice(-8);
    this.state = state;
    this.curves.add(this.steps, state.losses);
    if (!this.document.hidden) this.curves.draw();
  }

  failed({ message, reason, instead }) {
    this.backend = instead;
    this.phase = this.picture ? "paused" : "idle";
    this.live = false;
    this.broken = true;
    const kept = this.picture ? "The picture is kept; Go on continues from it. " : "";
    const advice = {
      memory: "There was not enough memory. Choose a smaller size, or compute on the processor.",
      context: "The graphics chip was taken away or is too small for this. Go on, choose a smaller size, or compute on the processor.",
      other: "",
    }[reason];
    this.say(`${kept}${advice} (${message})`);
  }

  // --- what is shown ---------------------------------------------------------------------------------------

  draw() {
    this.missed = this.document.hidden;
    if (this.missed || !this.picture) return;
    putPicture(this.canvas, this.picture);
    this.compare();
  }

  // Before a run, the photograph itself, quiet.
  placeholder() {
    const photograph = this.pictures.content?.pixels;
    if (!photograph) return;
    const { rows, columns } = photograph;
    putPicture(this.canvas, photograph);
    this.canvas.parentElement.style.setProperty("--aspect", `${columns / rows}`);
  }

  compare() {
    const share = Number(this.divider.value);
    this.canvas.parentElement.style.setProperty("--share", `${share}%`);
    this.divider.setAttribute("aria-valuetext", `${share} % photograph, ${100 - share} % painting`);
  }

  say(text = "") {
    this.alert.hidden = !text;
    this.alert.textContent = text;
  }

  update() {
    if (!this.root) return;
    const { recipe, phase } = this;
    const begun = phase !== "idle";
    const words = { idle: "Start painting", starting: "Pause", painting: "Pause", paused: "Go on", finished: "Paint further" };
    this.buttons.go.textContent = words[phase];
    this.buttons.go.disabled = !this.pictures.content || !this.pictures.style;
    this.buttons.again.disabled = !begun;
    this.buttons.save.disabled = !this.picture;
    this.divider.disabled = !this.picture;
    this.root.dataset.phase = phase;
    const values = { strength: recipe.strength, content_weight: logOf(recipe.content_weight), tv_weight: recipe.tv_weight ? logOf(recipe.tv_weight) : -2 };
    for (const layer of this.styleLayers) values[layer] = recipe.style_layers[layer] ?? 0;
    for (const [key, value] of Object.entries(values)) {
      const { input } = this.sliders[key];
      if (this.document.activeElement !== input) input.value = value;
      const shown = { content_weight: recipe.content_weight, tv_weight: recipe.tv_weight }[key] ?? value;
      tell(this.sliders[key], key === "strength" ? `${Math.round(shown * 100)} %` : shown ? String(Number(shown.toPrecision(2))) : "off");
    }
    const chosen = {
      size: recipe.size, recipe: recipe.name, style_loss: recipe.style_loss, optimizer: recipe.optimizer, start: recipe.start,
      pooling: recipe.pooling, backend: this.backend, content_layer: Object.keys(recipe.content_layers)[0],
    };
    for (const [key, value] of Object.entries(chosen)) this.selects[key].value = value;
    this.status.textContent = this.sentence();
    const news = `${phase} ${this.state?.scale ?? ""}`;
    if (begun && news !== this.news) this.spoken.textContent = this.status.textContent;
    this.news = news;
    const done = this.state ? this.progress() : 0;
    this.bar.style.setProperty("--done", `${100 * (phase === "finished" ? 1 : done)}%`);
    this.canvas.setAttribute("aria-label", begun ? `The painting after ${this.steps} steps` : "The photograph, not yet painted");
  }

  progress() {
    const { scale, iteration } = this.state;
    const cost = this.recipe.scales.map(([share, steps]) => share * share * steps);
    const total = cost.reduce((sum, each) => sum + each, 0);
    const before = cost.slice(0, scale).reduce((sum, each) => sum + each, 0);
    return Math.min(1, (before + (cost[scale] ?? 0) * Math.min(1, iteration / (this.recipe.scales[scale]?.[1] ?? 1))) / total);
  }

  sentence() {
    const where = `${this.backendNames[this.backend]}${this.port.place === "page" ? ", in this page’s own thread" : ""}`;
    if (this.phase === "idle") return `${this.forecast()} Computed on the ${where}.`;
    if (!this.state) return `Looking at the two pictures … The first step takes longest. Computed on the ${where}.`;
    const [rows, columns] = this.state.size;
    const phase = { paused: "Paused at step", finished: "Finished after step", painting: "Step", starting: "Step" }[this.phase];
    return `${phase} ${this.steps}, ${columns} × ${rows} pixels, ${pace(this.recent)}, on the ${where}.`;
  }

  // Memory and time, before anything is computed.
  forecast() {
    const photograph = this.pictures.content?.pixels;
    if (!photograph) return "";
    const { recipe, settings } = this;
    const layers = [...Object.keys(recipe.content_layers), ...Object.keys(recipe.style_layers)];
    const full = targetSize(photograph.rows, photograph.columns, recipe.size);
    const at = (share) => estimate(settings.network.table, layers, full.map((side) => side * share), recipe.padding);
    const steps = recipe.scales.reduce((sum, [, count]) => sum + count, 0);
    const memory = `${full[1]} × ${full[0]} pixels, ${steps} steps: about ${readableBytes(at(1).bytes)} of memory`;
    if (!this.speed) return `${memory}.`;
    const operations = recipe.scales.reduce((sum, [share, count]) => sum + count * at(share).operations, 0);
    return `${memory} and ${readableTime((1.5 * operations) / this.speed)}.`;
  }

  // --- what the reader takes away --------------------------------------------------------------------------

  words(which) {
    const base = this.settings.bases[this.recipe.name];
    const { content, style } = this.pictures;
    if (which === "python") return asPython(this.recipe, base, content, style);
    return asCommand(this.recipe, base, content, style, this.settings.options);
  }

  async copy(which) {
    const pressed = this.buttons[which];
    const text = this.words(which);
    const before = which === "python" ? "Copy as Python" : "Copy as command";
    try {
      await this.scope.navigator.clipboard.writeText(text);
    } catch {
      const area = this.make("textarea", { class: "visually-hidden" }, text);
      this.root.append(area);
      area.select();
      this.document.execCommand("copy");
      area.remove();
      pressed.focus();
    }
    this.copied = text;
    pressed.textContent = "Copied";
    setTimeout(() => (pressed.textContent = before), 1600);
  }

  async save() {
    const { rows, columns } = this.picture;
    const canvas = this.make("canvas", {});
    putPicture(canvas, this.picture);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    const of = ({ sample, file }) => ({ name: sample ? `sample:${sample}` : file });
    const run = {
      version: this.settings.version, library: this.settings.library, backend: this.backend, content: of(this.pictures.content), style: of(this.pictures.style),
      size: [rows, columns], evaluations: this.evaluations, steps: this.steps, seconds: Number(this.seconds.toFixed(2)), losses: this.state?.losses ?? {}, finished: this.phase === "finished",
    };
    const text = JSON.stringify(manifest(this.recipe, run));
    const png = withText(new Uint8Array(await blob.arrayBuffer()), this.settings.key, text);
    const link = this.make("a", { href: URL.createObjectURL(new Blob([png], { type: "image/png" })), download: "painted.png" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  // --- small things ----------------------------------------------------------------------------------------

  make(name, attributes, ...children) {
    return make(this.document, name, attributes, ...children);
  }

  button(text, action, attributes) {
    return button(this.document, text, action, attributes);
  }
}
