// What each live figure shows and lets a reader change: its pictures (panes), its controls, and the losses of its curves.

import { TERMS } from "./curves.js";
import { norm } from "./optimise.js";
import { decade, logOf } from "./page.js";
import { asked, quantile } from "./pictures.js";

const LAYERS = ["relu1_1", "relu2_1", "relu3_1", "relu4_1"];
const short = (value) => String(Number(value.toPrecision(2)));
const fixed = (value) => (value >= 100 || value < 0.001 ? value.toExponential(1) : value.toPrecision(2));
const first = (pictures) => pictures[0];

// A loss by itself, without its weight.
const bare = (state, name) => fixed(state.losses[name] / state.weights[name]);

// The style loss of a layer by itself.
const distance = (state, layer) => (state && `style/${layer}` in state.losses ? bare(state, `style/${layer}`) : "");

// As the chapters call smoothness.
const variation = (term) => (term.key === "smooth" ? { ...term, label: "variation" } : term);

// What a weighted loss asks for: less where its gradient is positive. Each to its own scale, or all three to one.
const asks = (term, title) => ({
  title,
  picture: ([{ rows, columns }], state, figure) => {
    if (!state?.asks[term]) return state && asked(new Float32Array(3 * rows * columns), rows, columns, 1);
    const scaled = figure.together ? Object.values(state.asks) : [state.asks[term]];
    const full = Math.max(...scaled.map((gradient) => quantile(gradient.map(Math.abs), 0.9995)));
    return asked(state.asks[term], rows, columns, full);
  },
  says: (state) => `gradient’s length ${state.asks[term] ? fixed(norm(state.asks[term])) : "0"}`,
});

// A weight on a slider of decades, "off" at its left end.
const weight = (figure, key, title, [low, high]) =>
  figure.slider(key, title, [low, high, 0.05], {
    value: () => Math.max(low, logOf(figure.recipes[0][key])),
    set: (x) => (figure.recipes[0] = { ...figure.recipes[0], [key]: x <= low ? 0 : decade(x) }),
    say: (x) => (x <= low ? "off" : short(decade(x))),
  });

const rate = (figure, i, title, range) =>
  figure.slider(`rate-${i}`, title, range, {
    value: () => logOf(figure.recipes[i].learning_rate),
    set: (x) => (figure.recipes[i] = { ...figure.recipes[i], learning_rate: decade(x) }),
    say: (x) => short(decade(x)),
  });

// How a run of a race does.
const standing = ({ states, reasons }, i) => {
  if (reasons[i]) return "out of the race";
  return states[i] ? `loss ${fixed(states[i].losses.total)}` : "";
};

// The curves of two that race, and their losses.
const rivals = (one, other) => [["one", one], ["other", other]].map(([key, label]) => ({ key, label, of: (name) => name === key }));
const totals = ({ states: [one, other] }) => ({ ...(one && { one: one.losses.total }), ...(other && { other: other.losses.total }) });

const setLayers = (figure, style_layers) => (figure.recipes[0] = { ...figure.recipes[0], style_layers });

export const KINDS = {
  texture: {
    unit: "step",
    curves: TERMS.filter(({ key }) => key === "style"),
    losses: ({ losses }) => losses,
    panes: [
      { title: "The painting", source: "style" },
      { title: "The texture", picture: first },
    ],
    controls: (figure) => [
      figure.boxes("Gram matrices to match (in brackets: how far off)", LAYERS, {
        has: (layer) => layer in figure.recipes[0].style_layers,
        set: (layer, ticked) => {
          const chosen = LAYERS.filter((each) => (each === layer ? ticked : each in figure.recipes[0].style_layers));
          setLayers(figure, Object.fromEntries(chosen.map((each) => [each, 1 / chosen.length])));
        },
        note: (layer) => {
          const found = distance(figure.state, layer);
          return found && layer in figure.recipes[0].style_layers ? `(${found})` : "";
        },
      }),
    ],
    impossible: ({ style_layers }) => (Object.keys(style_layers).length ? "" : "Tick at least one layer."),
  },
  losses: {
    unit: "step",
    apart: true,
    curves: TERMS.map(variation),
    losses: ({ losses }) => losses,
    panes: [{ title: "The picture", picture: first }, asks("content", "Content asks"), asks("style", "Style asks"), asks("tv", "Total variation asks")],
    controls: (figure) => [
      weight(figure, "content_weight", "Weight of content", [-2.5, 1.5]),
      weight(figure, "style_weight", "Weight of style", [-2.5, 1]),
      weight(figure, "tv_weight", "Weight of total variation", [-2, 2]),
      figure.boxes("The three gradients", ["drawn to one scale"], {
        has: () => Boolean(figure.together),
        set: (_, ticked) => (figure.together = ticked),
        act: (tick) => (tick(), figure.draw()),
      }),
    ],
  },
  race: {
    unit: "evaluation",
    race: true,
    curves: rivals("Adam", "L-BFGS"),
    losses: totals,
    panes: [
      { title: "Adam", picture: ([adam]) => adam, says: (state) => standing(state, 0) },
      { title: "L-BFGS", picture: ([, lbfgs]) => lbfgs, says: (state) => standing(state, 1) },
    ],
    controls: (figure) => [rate(figure, 0, "Rate of Adam", [-3, 0, 0.05]), rate(figure, 1, "Rate of L-BFGS", [-1.5, 0.5, 0.05])],
  },
  layers: {
    unit: "step",
    curves: TERMS.filter(({ key }) => key === "style" || key === "content"),
    losses: ({ losses }) => losses,
    panes: [
      { title: "The style", source: "style" },
      { title: "The picture", picture: first },
    ],
    controls: (figure) =>
      LAYERS.map((layer) =>
        figure.slider(layer, `Weight of ${layer}`, [0, 1, 0.01], {
          value: () => figure.recipes[0].style_layers[layer] ?? 0,
          set: (x) => {
            const { [layer]: _, ...others } = figure.recipes[0].style_layers;
            setLayers(figure, x ? { ...others, [layer]: x } : others);
          },
          say: (x) => (x ? short(x) : "off"),
          note: () => (distance(figure.state, layer) ? `off by ${distance(figure.state, layer)}` : ""),
        }),
      ),
  },
  depth: {
    unit: "step",
    curves: TERMS.filter(({ key }) => key === "content" || key === "smooth").map(variation),
    losses: ({ losses }) => losses,
    panes: [
      { title: "The photograph", source: "content" },
      { title: "Rebuilt", picture: first, says: (state) => `off by ${bare(state, Object.keys(state.weights)[0])} at its layer` },
    ],
    controls: (figure) => [figure.choice("layer", "Rebuilt from")],
  },
  starts: {
    unit: "evaluation",
    race: true,
    curves: rivals("left", "right"),
    losses: totals,
    panes: [
      { title: "Left", picture: ([left]) => left, says: (state) => standing(state, 0) },
      { title: "Right", picture: ([, right]) => right, says: (state) => standing(state, 1) },
    ],
    controls: (figure) =>
      ["Left", "Right"].flatMap((side, i) => [figure.choice("start", `${side}: start from`, i), figure.choice("pooling", `${side}: pooling`, i)]),
  },
};
