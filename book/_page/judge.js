// Judges an answer to an exercise as `styletut.check` does in a notebook, by the same table.

// What the reader typed, as Python would read it: a number, or lists of them. Sums and products are worked out.
export function read(text) {
  const tokens = text.match(/(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:e[-+]?\d+)?|\*\*|\S/gi) ?? [];
  let at = 0;
  const next = (...kinds) => (kinds.includes(tokens[at]) ? tokens[at++] : null);
  const number = (value) => {
    if (typeof value !== "number") throw new SyntaxError("not a number");
    return value;
  };

  function list(end) {
    const items = [];
    let comma = null;
    while (tokens[at] !== end && (comma !== null || items.length === 0)) {
      items.push(sum());
      comma = next(",");
    }
    if (tokens[at] !== end) throw new SyntaxError(`unexpected ${tokens[at]}`);
    at++;
    return { items, single: items.length === 1 && comma === null };
  }

  function sum() {
    let value = product(), sign;
    while ((sign = next("+", "-"))) value = number(value) + (sign === "+" ? 1 : -1) * number(product());
    return value;
  }

  function product() {
    let value = signed(), sign;
    while ((sign = next("*", "/"))) value = sign === "*" ? number(value) * number(signed()) : number(value) / number(signed());
    return value;
  }

  function signed() {
    const sign = next("-", "+");
    if (sign) return (sign === "-" ? -1 : 1) * number(signed());
    const value = atom();
    return next("**") ? number(value) ** number(signed()) : value;
  }

  function atom() {
    if (next("[")) return list("]").items;
    if (next("(")) {
      const { items, single } = list(")");
      return single ? items[0] : items;
    }
    const token = tokens[at++] ?? "";
    if (!/^\.?\d/.test(token)) throw new SyntaxError(`unexpected ${token}`);
    return Number(token.replaceAll("_", ""));
  }

  const { items, single } = list(undefined);
  return single ? items[0] : items;
}

// null if nothing is answered, else whether it is right, and if it is not, a hint.
export function judge(text, { wanted, tolerance, slips }) {
  const answer = text.trim();
  if (!answer) return null;
  const compare = typeof wanted === "string" ? words(answer) : numbers(answer, shape(wanted));
  const wrong = compare(wanted, tolerance);
  if (wrong === null) return { right: true };
  const slip = slips.find(([, value]) => compare(value, tolerance) === null);
  return { right: false, hint: slip ? slip[0] : wrong };
}

function words(answer) {
  const word = answer.replace(/^(["'])(.*)\1$/, "$2").trim();
  return (wanted) => (word.toLowerCase() === wanted.toLowerCase() ? null : `It is not '${word}'.`);
}

function numbers(answer, asked) {
  let value;
  try {
    value = read(plain(answer, asked));
    shape(value);
  } catch {
    return () => `A ${asked.length ? "tensor" : "number"} is asked for, not '${answer}'.`;
  }
  return (wanted, tolerance) => mismatch(value, wanted, tolerance);
}

// Signs as they are printed; where one number is asked for, commas between thousands; rows on lines of their own.
function plain(answer, asked) {
  const text = answer.replaceAll("×", "*").replaceAll("−", "-").replaceAll("÷", "/");
  if (asked.length === 0 && /^-?\d{1,3}([, \u202f]\d{3})+(\.\d+)?$/.test(text)) return text.replace(/[, \u202f]/g, "");
  if (asked.length < 2 || /[[(]/.test(text)) return text;
  return text.split(/\n/).filter((row) => row.trim()).map((row) => `[${row}]`).join(",");
}

function mismatch(value, wanted, tolerance) {
  const right = [wanted].flat(Infinity), given = [value].flat(Infinity).map(single);
  const one = right.length === 1 && given.length === 1; // [2] is a number too
  if (!one && tuple(shape(value)) !== tuple(shape(wanted)))
    return `Its shape is ${tuple(shape(value))}, and ${tuple(right.length === 1 ? [] : shape(wanted))} is asked for.`;
  if (!given.every(Number.isFinite)) return "It is not finite: is something divided by zero?";
  const off = Math.max(...right.map((each, i) => Math.abs(given[i] - each)));
  if (off <= tolerance * Math.max(...right.map(Math.abs))) return null;
  if (right.length > 1) return "Its shape is right, its values are not.";
  return given[0] > right[0] ? "It is too large." : "It is too small.";
}

// torch keeps whole numbers as they are, and others in single precision.
function single(value) {
  return Number.isInteger(value) ? value : Math.fround(value);
}

export function shape(value) {
  if (!Array.isArray(value)) return [];
  const inner = value.map(shape);
  if (new Set(inner.map(tuple)).size > 1) throw new SyntaxError("rows of different length");
  return [value.length, ...(inner[0] ?? [])];
}

function tuple(sizes) {
  return `(${sizes.join(", ")}${sizes.length === 1 ? "," : ""})`;
}
