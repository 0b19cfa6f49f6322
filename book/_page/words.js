// A recipe in words that work elsewhere: as Python, as a command, and inside a PNG.

const sorted = (value) =>
  value && typeof value === "object" && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;

// The fields in which a recipe differs from the module's recipe of that name.
export function changed(recipe, base) {
  const differs = (name) => JSON.stringify(sorted(recipe[name])) !== JSON.stringify(sorted(base[name]));
  return Object.keys(base).filter((name) => name !== "name" && differs(name)).map((name) => [name, recipe[name]]);
}

// `content` and `style` are {sample} or {file}.
export function asPython(recipe, base, content, style) {
  const changes = changed(recipe, base).map(([name, value]) => `    ${name}=${pythonLiteral(value)},\n`);
  const variant = changes.length ? `.replace(\n${changes.join("")})` : "";
  const from = ({ sample, file }) =>
    sample ? `st.samples.load(${pythonLiteral(sample)})` : `st.load_image(${pythonLiteral(file)})`;
  return `import styletut as st

content = ${from(content)}
style = ${from(style)}
recipe = st.recipes.get(${pythonLiteral(base.name)})${variant}
result = st.stylize(content, style, recipe)
result.save("painted.png")
`;
}

export function asCommand(recipe, base, content, style, options) {
  const picture = ({ sample, file }) => shellWord(sample ? `sample:${sample}` : file.startsWith("-") ? `./${file}` : file);
  const words = changed(recipe, base).map(([name, value]) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return options.includes(name) ? `--${name.replaceAll("_", "-")} ${shellWord(text)}` : `--set ${shellWord(`${name}=${text}`)}`;
  });
  return ["styletut", picture(content), picture(style), "-r", base.name, ...words, "-o", "painted.png"].join(" ");
}

function pythonLiteral(value) {
  if (value === null) return "None";
  if (value === true || value === false) return value ? "True" : "False";
  if (Array.isArray(value)) return `(${value.map((each) => `${pythonLiteral(each)}, `).join("").trim()})`;
  if (typeof value === "object") {
    return `{${Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}: ${pythonLiteral(each)}`).join(", ")}}`;
  }
  return JSON.stringify(value);
}

function shellWord(text) {
  return /^[\w./:=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

// --- inside a PNG ------------------------------------------------------------------------------------------

// A PNG (Uint8Array) with a text in it, before its pixels.
export function withText(png, key, text) {
  const chunk = textChunk(key, text);
  const at = 8 + 25; // the signature, and the header that comes first
  const made = new Uint8Array(png.length + chunk.length);
  made.set(png.subarray(0, at));
  made.set(chunk, at);
  made.set(png.subarray(at), at + chunk.length);
  return made;
}

function textChunk(key, text) {
  const latin = (each) => Uint8Array.from(each, (character) => character.codePointAt(0));
  const escaped = text.replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`); // JSON's
  const body = latin(`tEXt${key}\0${escaped}`);
  const made = new Uint8Array(body.length + 8);
  const view = new DataView(made.buffer);
  view.setUint32(0, body.length - 4);
  made.set(body, 4);
  view.setUint32(body.length + 4, checksum(body));
  return made;
}

function checksum(data) {
  let sum = 0xffffffff;
  for (const byte of data) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return (sum ^ 0xffffffff) >>> 0;
}

// What `styletut info` reads of a picture, and `-r` takes a recipe from.
export function manifest(recipe, run) {
  return {
    styletut: run.version,
    torch: `none (TensorFlow.js ${run.library})`,
    python: "none (a browser)",
    recipe,
    inputs: { content: run.content, styles: [run.style] },
    size: run.size,
    device: run.backend,
    precision: "float32",
    evaluations: run.evaluations,
    iterations: run.steps,
    seconds: run.seconds,
    losses: run.losses,
    stopped: run.finished ? null : "interrupted",
    made: new Date().toISOString().slice(0, 19) + "+00:00",
  };
}
