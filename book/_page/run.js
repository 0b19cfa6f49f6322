// A transfer in progress, from coarse to fine: one step after another, with settings that may change in between.

import { Network } from "./network.js";
import { Objective } from "./objective.js";
import { judge, newRecord, optimiserFor } from "./optimise.js";
import { cropped, enlarged, matched, noise, resized, scaleSizes, styleAt, targetSize } from "./pictures.js";

// Of a recipe: what a change of it means for a run that has begun.
const NETWORK = ["pooling", "padding"];
const PICTURE = ["size", "scales"];

export class Run {
  // `pictures` are {content, style} at their own sizes, `weights` come from decodeWeights, `settings` from the module;
  // `from` is a picture to go on from, in place of the recipe's start.
  // With `apart`, each state has the gradients of content, style and smoothness by themselves.
  constructor(tf, settings, weights, pictures, recipe, from = null, apart = false) {
    Object.assign(this, { tf, settings, weights, pictures, recipe, apart });
    this.step = 0;
    this.evaluations = 0;
    this.prepare();
    if (from === null) {
      this.restart();
    } else {
      this.picture = clamped(from);
      this.resume();
    }
  }

  // The layers that count, in the network's own order.
  get layers() {
    const { recipe } = this;
    return [
      ...(recipe.content_weight ? Object.keys(recipe.content_layers) : []),
      ...(recipe.style_weight ? Object.keys(recipe.style_layers) : []),
    ];
  }

  // The pictures to show.
  get shown() {
    return [this.picture];
  }

  get finished() {
    return this.scale >= this.sizes.length;
  }

  prepare() {
    const { recipe, pictures } = this;
    const layers = this.layers.length ? this.layers : ["relu1_1"];
    this.network?.dispose();
    this.network = new Network(this.tf, this.settings.network, this.weights, layers, recipe.pooling, recipe.padding);
    this.content = resized(pictures.content, ...targetSize(pictures.content.rows, pictures.content.columns, recipe.size));
    const least = this.network.minimumSide;
    for (const [name, each] of [["photograph", this.content], ["painting", pictures.style]])
      if (Math.min(each.rows, each.columns) < least)
        throw new Error(`the ${name} is too small: ${least} pixels a side are needed`);
    this.sizes = scaleSizes(recipe.scales, [this.content.rows, this.content.columns], least);
  }

  // Begin again from the start that the recipe names.
  restart() {
    this.scale = 0;
    this.picture = this.begun(...this.sizes[0]);
    this.beginScale();
  }

  begun(rows, columns) {
    const { recipe, settings } = this;
    const content = resized(this.content, rows, columns);
    if (recipe.start === "noise") {
      return noise(rows, columns, settings.network.mean, recipe.noise_range, recipe.seed);
    }
    if (recipe.start === "matched") {
      return matched(content, styleAt(this.pictures.style, [rows, columns], recipe.style_scale, 1), recipe.strength);
    }
    const { style } = this.pictures;
    const begun = recipe.start === "style" ? resized(cropped(style, rows, columns), rows, columns) : content;
    return { rows, columns, data: begun.data.slice() };
  }

  beginScale() {
    const size = this.sizes[this.scale];
    if (this.picture.rows !== size[0] || this.picture.columns !== size[1]) {
      this.picture = enlarged(clamped(this.picture), ...size, this.content, this.recipe.strength);
    }
    this.iteration = 0;
    this.aim();
  }

  // The objective and the optimiser, for the recipe as it is now and the picture where it is.
  aim() {
    const { tf, recipe, pictures, network } = this;
    const size = this.sizes[this.scale];
    this.objective?.dispose();
    this.objective = null;
    const style = styleAt(pictures.style, size, recipe.style_scale, network.minimumSide);
    this.objective = new Objective(tf, network, resized(this.content, ...size), style, recipe);
    this.forget();
    this.record = newRecord();
    this.best = this.picture.data.slice();
  }

  forget(share = 1) {
    this.optimiser = optimiserFor(this.recipe, this.picture.data.length, this.settings.optimisers, share);
  }

  // One step: its losses, and where the run is.
  async next() {
    const { objective, picture } = this;
    const { losses, gradient, asks } = await (this.apart ? objective.evaluateApart(picture) : objective.evaluate(picture));
    this.evaluations += 1;
    const sound = gradient.every(Number.isFinite) ? losses : { ...losses, total: NaN };
    const verdict = judge(sound, this.record, this.recipe.optimizer === "lbfgs", this.settings.guard);
    if (verdict.action === "stop") {
      this.picture.data.set(this.best);
      const text = `${verdict.reason}; the best picture so far is kept. Change a setting and go on.`;
      throw Object.assign(new Error(text), { diverged: true });
    }
    if (verdict.action === "keep") this.best.set(this.picture.data);
    if (verdict.action === "return") {
      this.picture.data.set(this.best);
      this.forget(0.01);
    } else {
      this.optimiser.step(this.picture.data, gradient);
    }
    this.step += 1;
    this.iteration += 1;
    const state = { ...this.state(losses), weights: objective.weights };
    if (asks) state.asks = asks;
    if (this.iteration >= this.recipe.scales[this.scale][1]) {
      this.scale += 1;
      if (!this.finished) this.beginScale();
    }
    return state;
  }

  state(losses) {
    const { step, iteration, scale, evaluations } = this;
    const size = this.sizes[scale];
    return { step, iteration, scale, evaluations, losses, size, of: this.recipe.scales[scale][1] };
  }

  // Go on from the picture as it is with another recipe.
  change(recipe) {
    const before = this.recipe;
    const differs = (keys) => keys.some((key) => JSON.stringify(before[key]) !== JSON.stringify(recipe[key]));
    const layersBefore = JSON.stringify(this.layers);
    this.recipe = recipe;
    try {
      const moved = differs(PICTURE);
      if (moved || differs(NETWORK) || JSON.stringify(this.layers) !== layersBefore) this.prepare();
      if (moved || this.finished) this.resume();
      else this.aim();
    } catch (error) {
      this.recipe = before;
      this.prepare();
      this.scale = Math.min(this.scale, this.sizes.length - 1);
      this.beginScale();
      throw error;
    }
  }

  // At another size, or after the end: on the coarsest scale that does not lose detail that there is.
  resume() {
    const last = this.sizes.length - 1;
    const enough = this.sizes.findIndex(([rows, columns]) => Math.max(rows, columns) >= this.side() - 1);
    this.scale = enough < 0 ? last : enough;
    this.beginScale();
  }

  side() {
    return Math.max(this.picture.rows, this.picture.columns);
  }

  dispose() {
    this.objective?.dispose();
    this.network?.dispose();
  }
}

function clamped({ rows, columns, data }) {
  return { rows, columns, data: data.map((x) => Math.min(1, Math.max(0, x))) };
}
