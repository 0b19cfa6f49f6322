// VGG-19 up to its deepest layer that counts: the features of a picture, as styletut.vgg.VGG has them.

// The weights as a page loads them: one byte for each, which stands for one of 256 values of the layer.
export function decodeWeights(layers) {
  return layers.map(({ name, shape, table, codes, biases }) => {
    const values = new Float32Array(bytes(table).buffer);
    const filters = Float32Array.from(bytes(codes), (code) => values[code]);
    return { name, shape, filters, biases: new Float32Array(bytes(biases).buffer) };
  });
}

export function bytes(base64) {
  const text = atob(base64);
  const made = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) made[i] = text.charCodeAt(i);
  return made;
}

export class Network {
  // `table` lists the layers in order, `weights` comes from decodeWeights, `layers` are the names that are wanted.
  constructor(tf, { table, mean, range }, weights, layers, pooling, padding) {
    const place = (name) => table.findIndex((layer) => layer.name === name && layer.kind !== "conv");
    for (const name of layers) if (place(name) < 0) throw new Error(`${name} is no layer that can be compared here`);
    this.tf = tf;
    this.pooling = pooling;
    this.padding = padding;
    this.range = range;
    this.sequence = table.slice(0, Math.max(...layers.map(place)) + 1);
    this.strides = Object.fromEntries(table.map((layer) => [layer.name, layer.stride]));
    this.mean = tf.tensor1d(mean);
    this.convolutions = {};
    for (const { kind, name } of this.sequence) {
      if (kind !== "conv") continue;
      const found = weights.find((each) => each.name === name);
      if (!found) throw new Error(`${name} needs the larger download`);
      this.convolutions[name] = [tf.tensor4d(found.filters, found.shape), tf.tensor1d(found.biases)];
    }
  }

  get minimumSide() {
    return this.sequence[this.sequence.length - 1].stride;
  }

  // Features (1, rows, columns, channels) of a picture (1, rows, columns, 3), by layer; inside a tf.tidy.
  features(x, wanted) {
    const { tf } = this;
    const found = {};
    x = x.sub(this.mean).mul(this.range);
    for (const { name, kind } of this.sequence) {
      if (kind === "conv") x = this.activated(x, ...this.convolutions[name]);
      else if (kind === "pool" && this.pooling === "average") x = tf.avgPool(x, 2, 2, "valid");
      else if (kind === "pool") x = tf.maxPool(x, 2, 2, this.pooling === "max-same" ? "same" : "valid");
      if (wanted.includes(name)) found[name] = x; // a ReLU is computed with the convolution before it
    }
    return found;
  }

  // A convolution and its ReLU as one: for the backward pass only the result is kept, a quarter of the memory.
  activated(x, filters, biases) {
    const { tf } = this;
    const zeros = this.padding === "zeros";
    const mode = zeros ? "same" : "valid";
    return tf.customGrad((x, save) => {
      const padded = zeros ? x : this.replicated(x);
      const { shape } = padded;
      const y = tf.conv2d(padded, filters, 1, mode).add(biases).relu();
      save([y]);
      const gradFunc = (dy, [y]) => {
        const gradient = tf.conv2dTranspose(dy.mul(y.step()), filters, shape, 1, mode);
        return zeros ? gradient : this.folded(gradient);
      };
      return { value: y, gradFunc };
    })(x);
  }

  // One row and column more on each side, the outermost values again.
  replicated(x) {
    const { tf } = this;
    for (const axis of [1, 2]) {
      const last = x.shape[axis] - 1;
      x = tf.concat([part(x, axis, 0, 1), x, part(x, axis, last, 1)], axis);
    }
    return x;
  }

  // The gradient with respect to x, from that of replicated(x): each copy's belongs to what it is a copy of.
  folded(gradient) {
    for (const axis of [2, 1]) {
      const side = gradient.shape[axis] - 2;
      const beyond = (at, before) => {
        const pads = [[0, 0], [0, 0], [0, 0], [0, 0]];
        pads[axis] = [before, side - 1 - before];
        return part(gradient, axis, at, 1).pad(pads);
      };
      gradient = part(gradient, axis, 1, side).add(beyond(0, 0)).add(beyond(side + 1, side - 1));
    }
    return gradient;
  }

  // Weights of a layer's positions in style statistics, with mean 1; null where all count alike. With max-same pooling
  // the last row and column may cover fewer pixels than the others (styletut.vgg.VGG.coverage).
  coverage(layer, sides) {
    const stride = this.strides[layer];
    if (this.pooling !== "max-same" || !sides.some((side) => side % stride)) return null;
    const [rows, columns] = sides.map((side) => {
      const shares = new Array(Math.ceil(side / stride)).fill(1);
      shares[shares.length - 1] = Math.sqrt((side % stride || stride) / stride);
      return shares;
    });
    const weights = rows.flatMap((r) => columns.map((c) => r * c));
    const mean = weights.reduce((sum, w) => sum + w, 0) / weights.length;
    return weights.map((w) => w / mean);
  }

  dispose() {
    this.mean.dispose();
    for (const tensors of Object.values(this.convolutions)) for (const each of tensors) each.dispose();
  }
}

function part(x, axis, from, count) {
  const begin = [0, 0, 0, 0];
  const size = x.shape.slice();
  begin[axis] = from;
  size[axis] = count;
  return x.slice(begin, size);
}
