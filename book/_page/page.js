// What the painter and the live figures do to a page alike: elements, pictures on a canvas, words for how fast it goes.

import { fromPixels, targetSize, toPixels } from "./pictures.js";

const GRAPHICS = { webgpu: "WebGPU", webgl: "WebGL" };

// What the back ends are called, of which the faster come first: graphics after the processor are its imitation.
export function backendWords(backends) {
  const words = { wasm: "processor (WebAssembly)", cpu: "processor (JavaScript)" };
  const processor = backends.indexOf("cpu");
  for (const [name, title] of Object.entries(GRAPHICS))
    words[name] = backends.indexOf(name) < processor ? `graphics chip (${title})` : `processor by way of ${title}`;
  return words;
}

export const onProcessor = (backend) => !(backend in GRAPHICS);

export function make(document, name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function button(document, text, action, attributes = {}) {
  const made = make(document, "button", { type: "button", ...attributes }, text);
  made.addEventListener("click", action);
  return made;
}

// A labelled slider: {element, input, output}.
export function slider(document, id, title, help, [min, max, step], moved) {
  const output = make(document, "span", { class: "value", "aria-hidden": "true" });
  const input = make(document, "input", { type: "range", id, min, max, step, title: help });
  input.addEventListener("input", () => moved(Number(input.value)));
  const label = make(document, "label", { for: id, title: help }, title);
  return { element: make(document, "div", { class: "slider" }, label, output, input), input, output };
}

// What a slider says of its value, to the eye and to a screen reader.
export function tell({ input, output }, text) {
  output.textContent = text;
  input.setAttribute("aria-valuetext", text);
}

export function putPicture(canvas, picture) {
  const { rows, columns } = picture;
  if (canvas.width !== columns || canvas.height !== rows) Object.assign(canvas, { width: columns, height: rows });
  canvas.getContext("2d").putImageData(new ImageData(toPixels(picture), columns, rows), 0, 0);
}

// The pixels of a picture file, turned as the camera says, at most `largest` a side.
export async function decoded(document, blob, largest) {
  const bitmap = await createImageBitmap(blob, { imageOrientation: "from-image" });
  const [rows, columns] = targetSize(bitmap.height, bitmap.width, largest);
  const canvas = make(document, "canvas", { width: columns, height: rows });
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, columns, rows);
  bitmap.close();
  return fromPixels(context.getImageData(0, 0, columns, rows).data, columns, rows);
}

export const address = (sample) => `data:image/jpeg;base64,${sample.jpeg}`;

// A sample as a file, also where a page may not fetch.
export function fileOf(sample) {
  const raw = atob(sample.jpeg);
  return new Blob([Uint8Array.from(raw, (character) => character.charCodeAt(0))], { type: "image/jpeg" });
}

// How fast the last steps were, in words.
export function pace(seconds, unit = "step") {
  const each = seconds.reduce((sum, s) => sum + s, 0) / seconds.length;
  return each < 0.95 ? `${(1 / each).toFixed(1)} ${unit}s per second` : `${each.toFixed(1)} seconds per ${unit}`;
}

// A slider whose steps are factors.
export const decade = (x) => Number((10 ** x).toPrecision(3));
export const logOf = (x) => (x > 0 ? Math.log10(x) : -2);
