// From pictures and a recipe to the losses of a picture and their gradient, as styletut.objective builds them.

import { STYLE_LOSSES, contentLoss, contentTarget, totalVariation } from "./losses.js";

const QUESTIONS = ["content", "style", "tv"]; // how the names of their terms begin

export class Objective {
  // `content` and `style` already have their working sizes.
  constructor(tf, network, content, style, recipe) {
    this.tf = tf;
    this.network = network;
    this.size = [content.rows, content.columns];
    this.terms = tf.tidy(() => this.made(content, style, recipe));
    for (const term of this.terms) for (const tensor of term.held) tf.keep(tensor);
  }

  made(content, style, recipe) {
    const { tf, network } = this;
    const terms = [];
    const { statistic, loss } = STYLE_LOSSES[recipe.style_loss];
    const contentLayers = recipe.content_weight ? Object.keys(recipe.content_layers) : [];
    const styleLayers = recipe.style_weight ? Object.keys(recipe.style_layers) : [];
    const covered = (layer, sides) => {
      const weights = network.coverage(layer, sides);
      return weights === null ? null : tf.tensor2d(weights, [weights.length, 1]);
    };
    const measured = (of, layers) => (layers.length ? network.features(tensor(tf, of), layers) : {});
    const own = measured(content, [...contentLayers, ...(recipe.strength < 1 ? styleLayers : [])]);
    for (const layer of contentLayers) {
      const target = contentTarget(tf, own[layer]);
      const weight = recipe.content_weight * recipe.content_layers[layer];
      terms.push({
        name: `content/${layer}`, layer, weight, held: Object.values(target),
        loss: (x) => contentLoss(tf, x, target),
      });
    }
    const painted = measured(style, styleLayers);
    for (const layer of styleLayers) {
      const places = covered(layer, this.size);
      let target = statistic(tf, painted[layer], covered(layer, [style.rows, style.columns]));
      if (recipe.strength < 1) {
        const before = statistic(tf, own[layer], places);
        target = target.map((each, i) => each.mul(recipe.strength).add(before[i].mul(1 - recipe.strength)));
      }
      terms.push({
        name: `style/${layer}`, layer, weight: recipe.style_weight * recipe.style_layers[layer],
        held: places === null ? target : [...target, places],
        loss: (x) => loss(tf, statistic(tf, x, places), target),
      });
    }
    const smooth = recipe.tv_weight * recipe.strength;
    if (smooth) terms.push({ name: "tv", layer: null, weight: smooth, held: [], loss: (x) => totalVariation(tf, x) });
    if (!terms.length) throw new Error("nothing to optimise: give the content, the style or smoothness a weight");
    return terms;
  }

  // What the losses have been multiplied by.
  get weights() {
    return Object.fromEntries(this.terms.map(({ name, weight }) => [name, weight]));
  }

  // Every weighted loss of a picture, their total, and the gradient of the total, of the same size as the picture.
  evaluate(picture) {
    return this.evaluated(picture, this.terms);
  }

  // The same, and the gradient of each question by itself: {asks: {content, style, tv}}, as far as there are such terms.
  // The network is run once for each question that looks at features.
  async evaluateApart(picture) {
    const losses = { total: 0 };
    const gradient = new Float32Array(picture.data.length);
    const asks = {};
    for (const question of QUESTIONS) {
      const terms = this.terms.filter(({ name }) => name.split("/")[0] === question);
      if (!terms.length) continue;
      const found = await this.evaluated(picture, terms);
      asks[question] = found.gradient;
      Object.assign(losses, found.losses, { total: losses.total + found.losses.total });
      for (let i = 0; i < gradient.length; i++) gradient[i] += found.gradient[i];
    }
    return { losses, gradient, asks };
  }

  async evaluated(picture, terms) {
    const { tf } = this;
    const layers = terms.map((term) => term.layer).filter(Boolean);
    let parts;
    const [summary, gradient] = tf.tidy(() => {
      const total = (x) => {
        const features = layers.length ? this.network.features(x, layers) : {};
        const losses = terms.map((term) => term.loss(term.layer ? features[term.layer] : x).mul(term.weight));
        parts = tf.keep(tf.stack(losses));
        return parts.sum();
      };
      const { value, grad } = tf.valueAndGrad(total)(tensor(tf, picture));
      return [tf.concat([parts, value.reshape([1])]), grad];
    });
    try {
      const [values, slope] = await Promise.all([summary.data(), gradient.data()]);
      const losses = {};
      terms.forEach((term, i) => (losses[term.name] = values[i]));
      losses.total = values[terms.length];
      return { losses, gradient: slope };
    } finally {
      for (const each of [parts, summary, gradient]) each.dispose();
    }
  }

  dispose() {
    for (const term of this.terms) for (const held of term.held) held.dispose();
  }
}

function tensor(tf, { rows, columns, data }) {
  return tf.tensor4d(data, [1, rows, columns, 3]);
}
