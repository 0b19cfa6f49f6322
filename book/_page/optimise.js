// How the picture is moved: Adam as torch has it, L-BFGS as styletut.engine.optim.LBFGS, and when a run has gone wrong.
// All on plain arrays: x is changed in place, gradients are left alone.

export class Adam {
  constructor(size, rate, { decays: [first, second], epsilon }) {
    this.rate = rate;
    this.decays = [first, second];
    this.epsilon = epsilon;
    this.steps = 0;
    this.mean = new Float32Array(size);
    this.power = new Float32Array(size);
  }

  step(x, gradient) {
    const [first, second] = this.decays;
    this.steps += 1;
    const size = this.rate / (1 - first ** this.steps);
    const root = Math.sqrt(1 - second ** this.steps);
    for (let i = 0; i < x.length; i++) {
      const g = gradient[i];
      this.mean[i] += (1 - first) * (g - this.mean[i]);
      this.power[i] = second * this.power[i] + (1 - second) * g * g;
      x[i] -= (size * this.mean[i]) / (Math.sqrt(this.power[i]) / root + this.epsilon);
    }
  }
}

export class LBFGS {
  constructor(size, rate, { history, recent, first }) {
    this.rate = rate;
    this.history = history;
    this.recent = recent;
    this.first = first;
    this.pairs = [];
    this.gradient = null;
    this.last = null;
  }

  step(x, gradient) {
    if (this.gradient !== null) {
      const change = gradient.map((g, i) => g - this.gradient[i]);
      const product = dot(change, this.last);
      if (product > 1e-8 * norm(change) * norm(this.last)) this.pairs.push({ s: this.last, y: change, product });
    }
    let step;
    if (this.pairs.length) {
      step = this.direction(gradient);
      for (let i = 0; i < step.length; i++) step[i] *= this.rate;
      // Between steps one pair fewer than the step is made of.
      this.pairs.splice(0, Math.max(0, this.pairs.length + 1 - this.history));
    } else {
      const size = (-this.rate * this.first * Math.sqrt(gradient.length)) / Math.max(norm(gradient), 1e-30);
      step = gradient.map((g) => g * size);
    }
    this.gradient = gradient.slice();
    this.last = step;
    for (let i = 0; i < x.length; i++) x[i] += step[i];
  }

  // Minus the inverse Hessian, as the pairs have it, times the gradient: the two-loop recursion, in which the curvature
  // of directions not yet seen is the flattest of the most recent pairs.
  direction(gradient) {
    const q = gradient.map((g) => -g);
    const alphas = [];
    for (const { s, y, product } of [...this.pairs].reverse()) {
      const alpha = dot(s, q) / product;
      alphas.unshift(alpha);
      add(q, y, -alpha);
    }
    const flattest = Math.max(...this.pairs.slice(-this.recent).map(({ y, product }) => product / dot(y, y)));
    for (let i = 0; i < q.length; i++) q[i] *= flattest;
    this.pairs.forEach(({ s, y, product }, k) => add(q, s, alphas[k] - dot(y, q) / product));
    return q;
  }
}

function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

export function norm(a) {
  return Math.sqrt(dot(a, a));
}

function add(to, what, factor) {
  for (let i = 0; i < to.length; i++) to[i] += factor * what[i];
}

export function optimiserFor(recipe, size, constants, share = 1) {
  if (recipe.optimizer === "adam") return new Adam(size, recipe.learning_rate, constants.adam);
  const { recent, first } = constants.lbfgs;
  return new LBFGS(size, recipe.learning_rate, { history: recipe.memory, recent, first: first * share });
}

// What to do after an evaluation, as styletut.engine.guard judges: "go on", "keep" (the best picture yet), "return" to
// the best picture, or "stop". The record is changed.
export function judge(losses, record, returns, { diverged, overshot }) {
  const { total } = losses;
  if (!Number.isFinite(total)) {
    const term = Object.keys(losses).find((name) => !Number.isFinite(losses[name]));
    return { action: "stop", reason: `${term} is ${losses[term]}` };
  }
  if (record.first === null) record.first = total;
  if (returns && total > record.first && total > overshot * record.best && record.best > 0) {
    if (record.best === record.returned) return { action: "stop", reason: "the loss overshot twice running" };
    record.returned = record.best;
    return { action: "return" };
  }
  if (total > diverged * Math.abs(record.first) && record.first !== 0) {
    return { action: "stop", reason: `the loss is over ${diverged} times that at the start` };
  }
  if (total < record.best) {
    record.best = total;
    return { action: "keep" };
  }
  return { action: "go on" };
}

export function newRecord() {
  return { first: null, best: Infinity, returned: null };
}
