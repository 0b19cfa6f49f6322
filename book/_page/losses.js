// The mathematics of styletut.losses: features are (1, rows, columns, channels) tensors, every loss is a scalar.

const TINY = 1e-30; // below any power of features: no loss divides by zero

// One axis after the other: WebAssembly adds up in a row, which over all of a Gram matrix loses three digits.
function total(x) {
  while (x.rank) x = x.sum(-1);
  return x;
}

// Sum of (a - b)^2 over sum of b^2, for content features.
export function contentLoss(tf, features, { target, factor }) {
  return total(features.sub(target).square()).mul(factor);
}

export function contentTarget(tf, features) {
  return { target: features, factor: tf.scalar(1).div(total(features.square())) };
}

// Positions as rows, (M, N); their products per position, (N, N); `weights` (M, 1) or null.
function flat(features) {
  return features.reshape([-1, features.shape[3]]);
}

function weighted(f, weights) {
  return weights === null ? f : f.mul(weights);
}

function gram(tf, f, weights) {
  return tf.matMul(weighted(f, weights), f, true, false).div(f.shape[0]);
}

function relative(tf, x, target, smallest = TINY) {
  return total(x.sub(target).square()).div(tf.maximum(total(target.square()), smallest));
}

function covariance(mean, second) {
  return second.sub(mean.reshape([-1, 1]).mul(mean.reshape([1, -1])));
}

// What a style loss measures, and how it compares two such measures; statistics of styles may be blended.
export const STYLE_LOSSES = {
  relative: {
    statistic: (tf, features, weights) => [gram(tf, flat(features), weights)],
    loss: (tf, [a], [b]) => relative(tf, a, b),
  },
  "mean-covariance": {
    statistic: (tf, features, weights) => {
      const f = flat(features);
      return [weighted(f, weights).mean(0), gram(tf, f, weights)];
    },
    loss: (tf, a, b) =>
      relative(tf, a[0], b[0]).add(
        relative(tf, covariance(...a), covariance(...b), total(b[1].square()).mul(1e-4)),
      ),
  },
};

// Mean over pixels of the squared differences of neighbours, of a picture (1, rows, columns, 3).
export function totalVariation(tf, x) {
  const [, rows, columns] = x.shape;
  const across = (axis) => {
    const size = [1, rows, columns, 3];
    size[axis] -= 1;
    const begin = [0, 0, 0, 0];
    begin[axis] = 1;
    return size[axis] ? total(x.slice(begin, size).sub(x.slice([0, 0, 0, 0], size)).square()) : tf.scalar(0);
  };
  return across(1).add(across(2)).div(rows * columns);
}
