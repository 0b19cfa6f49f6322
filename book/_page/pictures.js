// Pictures: {rows, columns, data}, data a Float32Array of rows * columns * 3 values, sRGB in 0 to 1, RGB beside each other.
// The same sizes, resampling and colours as styletut.images, styletut.engine.scales and styletut.control.colour.

export function picture(rows, columns, data = new Float32Array(rows * columns * 3)) {
  return { rows, columns, data };
}

export function fromPixels(pixels, columns, rows) {
  const made = picture(rows, columns);
  for (let i = 0, j = 0; i < rows * columns; i++) {
    const alpha = pixels[4 * i + 3] / 255; // what is transparent lies on white
    for (let c = 0; c < 3; c++) made.data[j++] = (pixels[4 * i + c] / 255) * alpha + 1 - alpha;
  }
  return made;
}

export function toPixels(of) {
  const pixels = new Uint8ClampedArray(of.rows * of.columns * 4);
  for (let i = 0, j = 0; i < of.rows * of.columns; i++) {
    for (let c = 0; c < 3; c++) pixels[4 * i + c] = of.data[j++] * 255; // rounds and clamps
    pixels[4 * i + 3] = 255;
  }
  return pixels;
}

// What a loss asks for, the negative of its gradient, around mid-grey: `full` and beyond is black or white.
export function asked(gradient, rows, columns, full) {
  return picture(rows, columns, gradient.map((g) => Math.min(1, Math.max(0, 0.5 - (0.5 * g) / Math.max(full, 1e-12)))));
}

// The value below which that share of the values lies, between two of them in proportion.
export function quantile(values, share) {
  const sorted = Float32Array.from(values).sort();
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  return sorted[below] + (at - below) * ((sorted[below + 1] ?? sorted[below]) - sorted[below]);
}

// --- sizes -------------------------------------------------------------------------------------------------

// As Python rounds: halves to the even number.
export function roundEven(x) {
  const below = Math.floor(x);
  const part = x - below;
  if (part !== 0.5) return Math.round(x);
  return below % 2 ? below + 1 : below;
}

// Rows and columns of a picture whose longer side becomes `size`; it is never enlarged.
export function targetSize(rows, columns, size) {
  const side = Math.max(rows, columns);
  if (size >= side) return [rows, columns];
  const share = (part) => Math.max(1, Math.floor((2 * part * size + side) / (2 * side)));
  return [share(rows), share(columns)];
}

// Sizes from coarse to fine, with at least `minimum` pixels a side, which the deepest layer needs.
export function scaleSizes(scales, [rows, columns], minimum) {
  return scales.map(([share]) => {
    const s = Math.min(1, Math.max(share, minimum / Math.min(rows, columns)));
    return [Math.max(1, roundEven(rows * s)), Math.max(1, roundEven(columns * s))];
  });
}

// The style for a picture of that size: never enlarged, nor smaller than the deepest layer needs.
export function styleAt(style, size, styleScale, minimum) {
  const sides = [style.rows, style.columns];
  const wanted = roundEven(Math.max(...size) * styleScale);
  const least = Math.ceil((minimum * Math.max(...sides)) / Math.min(...sides));
  return resized(style, ...targetSize(...sides, Math.max(1, wanted, least)));
}

// --- resampling --------------------------------------------------------------------------------------------

// Bicubic (a = -0.5) and antialiased, as torch and Pillow compute it, clamped to 0 to 1.
export function resized(of, rows, columns) {
  if (rows === of.rows && columns === of.columns) return of;
  const wide = alongColumns(of, columns);
  const made = transposed(alongColumns(transposed(wide), rows));
  for (let i = 0; i < made.data.length; i++) made.data[i] = Math.min(1, Math.max(0, made.data[i]));
  return made;
}

function transposed(of) {
  const made = picture(of.columns, of.rows);
  for (let r = 0; r < of.rows; r++)
    for (let k = 0; k < of.columns; k++)
      for (let c = 0; c < 3; c++) made.data[3 * (k * of.rows + r) + c] = of.data[3 * (r * of.columns + k) + c];
  return made;
}

function alongColumns(of, columns) {
  if (columns === of.columns) return of;
  const made = picture(of.rows, columns);
  const windows = kernels(of.columns, columns);
  for (let r = 0; r < of.rows; r++) {
    for (let k = 0; k < columns; k++) {
      const { first, shares } = windows[k];
      let red = 0, green = 0, blue = 0;
      for (let i = 0; i < shares.length; i++) {
        const at = 3 * (r * of.columns + first + i);
        red += shares[i] * of.data[at];
        green += shares[i] * of.data[at + 1];
        blue += shares[i] * of.data[at + 2];
      }
      const to = 3 * (r * columns + k);
      made.data[to] = red;
      made.data[to + 1] = green;
      made.data[to + 2] = blue;
    }
  }
  return made;
}

function kernels(before, after) {
  const scale = before / after;
  const support = 2 * Math.max(1, scale);
  const inverse = scale > 1 ? 1 / scale : 1;
  return Array.from({ length: after }, (_, k) => {
    const centre = scale * (k + 0.5);
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const last = Math.min(before, Math.trunc(centre + support + 0.5));
    const shares = new Float64Array(Math.max(0, last - first));
    let sum = 0;
    for (let i = 0; i < shares.length; i++) {
      shares[i] = cubic((first + i - centre + 0.5) * inverse);
      sum += shares[i];
    }
    return { first, shares: shares.map((share) => share / sum) };
  });
}

function cubic(x) {
  const a = -0.5;
  const t = Math.abs(x);
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0;
}

// A picture of one scale at the size of the next; below strength 1 with the detail of the photograph.
export function enlarged(of, rows, columns, content, strength) {
  const larger = resized(of, rows, columns);
  if (strength === 1) return larger;
  const full = resized(content, rows, columns);
  const coarse = resized(resized(content, of.rows, of.columns), rows, columns);
  const made = picture(rows, columns);
  for (let i = 0; i < made.data.length; i++) {
    const detailed = full.data[i] + larger.data[i] - coarse.data[i];
    made.data[i] = Math.min(1, Math.max(0, detailed + strength * (larger.data[i] - detailed)));
  }
  return made;
}

// --- where a run begins ------------------------------------------------------------------------------------

// The largest middle part of a picture that has the aspect of so many rows and columns.
export function cropped(of, rows, columns) {
  const share = Math.min(of.rows / rows, of.columns / columns);
  const made = picture(Math.max(1, roundEven(rows * share)), Math.max(1, roundEven(columns * share)));
  const [top, left] = [(of.rows - made.rows) >> 1, (of.columns - made.columns) >> 1];
  for (let r = 0; r < made.rows; r++) {
    const from = 3 * ((top + r) * of.columns + left);
    made.data.set(of.data.subarray(from, from + 3 * made.columns), 3 * r * made.columns);
  }
  return made;
}

// Noise around the mean colour of the network's training set; the same seed gives the same noise.
export function noise(rows, columns, mean, [low, high], seed) {
  const made = picture(rows, columns);
  let state = seed >>> 0;
  for (let i = 0; i < made.data.length; i++) {
    // mulberry32, public domain
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    const uniform = ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    made.data[i] = mean[i % 3] + (low + (high - low) * uniform) / 255;
  }
  return made;
}

// The photograph with the mean and covariance of the painting's colours, as far as `strength` goes.
export function matched(content, style, strength = 1) {
  const own = moments(content);
  const aim = moments(style);
  const matrix = transport(own.covariance, aim.covariance);
  const made = picture(content.rows, content.columns);
  const shift = [0, 1, 2].map((i) => aim.mean[i] - matrix[i].reduce((sum, m, j) => sum + m * own.mean[j], 0));
  for (let p = 0; p < made.data.length; p += 3) {
    const colour = matrix.map(
      (row, i) => row[0] * content.data[p] + row[1] * content.data[p + 1] + row[2] * content.data[p + 2] + shift[i],
    );
    const inside = intoGamut(colour);
    for (let i = 0; i < 3; i++) made.data[p + i] = content.data[p + i] + strength * (inside[i] - content.data[p + i]);
  }
  return made;
}

export function moments(of) {
  const count = of.rows * of.columns;
  const mean = [0, 0, 0];
  for (let p = 0; p < of.data.length; p++) mean[p % 3] += of.data[p] / count;
  const covariance = [[0, 0, 0], [0, 0, 0], [0, 0, 0]];
  for (let p = 0; p < of.data.length; p += 3)
    for (let i = 0; i < 3; i++)
      for (let j = 0; j < 3; j++)
        covariance[i][j] += ((of.data[p + i] - mean[i]) * (of.data[p + j] - mean[j])) / count;
  return { mean, covariance };
}

// The matrix that gives colours of covariance `source` the covariance `target` and moves them least.
export function transport(source, target) {
  const from = power(source, 1, STEP ** 2);
  const root = power(target, 0.5);
  return product(product(root, power(product(product(root, from), root), -0.5)), root);
}

function product(a, b) {
  return a.map((row) => [0, 1, 2].map((j) => row[0] * b[0][j] + row[1] * b[1][j] + row[2] * b[2][j]));
}

// A power of a symmetric matrix, whose eigenvalues up to `smallest`, or rounding, count as none.
function power(matrix, exponent, smallest = 0) {
  const { values, vectors } = eigen(matrix);
  const floor = Math.max(1e-12 * Math.max(...values), smallest, 1e-14);
  const powers = values.map((value) => (value > floor ? value ** exponent : 0));
  return [0, 1, 2].map((i) =>
    [0, 1, 2].map((j) => powers.reduce((sum, p, k) => sum + p * vectors[i][k] * vectors[j][k], 0)),
  );
}

// Eigenvalues and eigenvectors (columns) of a symmetric 3 x 3 matrix, by Jacobi's rotations.
function eigen(matrix) {
  const a = matrix.map((row, i) => row.map((_, j) => (matrix[i][j] + matrix[j][i]) / 2));
  const v = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
  for (let sweep = 0; sweep < 30; sweep++) {
    for (const [p, q] of [[0, 1], [0, 2], [1, 2]]) {
      if (a[p][q] === 0) continue;
      const theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
      const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
      const c = 1 / Math.hypot(t, 1);
      const s = t * c;
      for (let k = 0; k < 3; k++) [a[k][p], a[k][q]] = [c * a[k][p] - s * a[k][q], s * a[k][p] + c * a[k][q]];
      for (let k = 0; k < 3; k++) [a[p][k], a[q][k]] = [c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]];
      for (let k = 0; k < 3; k++) [v[k][p], v[k][q]] = [c * v[k][p] - s * v[k][q], s * v[k][p] + c * v[k][q]];
    }
  }
  return { values: [a[0][0], a[1][1], a[2][2]], vectors: v };
}

// A colour outside sRGB brought back: the same Oklab hue, as much chroma as fits (CSS Color 4, section 13.2).
export function intoGamut(colour) {
  const fits = (rgb) => Math.min(...rgb) >= -ROUNDING && Math.max(...rgb) <= 1 + ROUNDING;
  const clamped = (rgb) => rgb.map((value) => Math.min(1, Math.max(0, value)));
  if (fits(colour)) return clamped(colour);
  const [lightness, a, b] = toOklab(colour);
  const light = Math.min(1, Math.max(0, lightness));
  let inside = 0;
  let beyond = 1;
  for (let i = 0; i < 20; i++) {
    const share = (inside + beyond) / 2;
    if (fits(fromOklab([light, share * a, share * b]))) inside = share;
    else beyond = share;
  }
  return clamped(fromOklab([light, inside * a, inside * b]));
}

const STEP = 1 / 255; // a smaller deviation is rounding, and carries no colour
const ROUNDING = 1e-6;
const LMS = [
  [0.4122214708, 0.5363325363, 0.0514459929],
  [0.2119034982, 0.6806995451, 0.1073969566],
  [0.0883024619, 0.2817188376, 0.6299787005],
];
const LAB = [
  [0.2104542553, 0.793617785, -0.0040720468],
  [1.9779984951, -2.428592205, 0.4505937099],
  [0.0259040371, 0.7827717662, -0.808675766],
];
const FROM_LAB = inverse(LAB);
const FROM_LMS = inverse(LMS);

function toOklab(rgb) {
  const linear = rgb.map((x) => Math.sign(x) * decodeGamma(Math.abs(x)));
  return apply(LAB, apply(LMS, linear).map(Math.cbrt));
}

function fromOklab(lab) {
  const lms = apply(FROM_LAB, lab).map((x) => x ** 3);
  return apply(FROM_LMS, lms).map((x) => Math.sign(x) * encodeGamma(Math.abs(x)));
}

function decodeGamma(x) {
  return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
}

function encodeGamma(x) {
  return x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055;
}

function apply(matrix, vector) {
  return matrix.map((row) => row[0] * vector[0] + row[1] * vector[1] + row[2] * vector[2]);
}

function inverse(m) {
  const minor = (i, j) => {
    const [r, s] = [0, 1, 2].filter((k) => k !== i);
    const [t, u] = [0, 1, 2].filter((k) => k !== j);
    return m[r][t] * m[s][u] - m[r][u] * m[s][t];
  };
  const sign = (i, j) => ((i + j) % 2 ? -1 : 1);
  const determinant = m[0].reduce((sum, value, j) => sum + sign(0, j) * value * minor(0, j), 0);
  return [0, 1, 2].map((i) => [0, 1, 2].map((j) => (sign(i, j) * minor(j, i)) / determinant));
}
