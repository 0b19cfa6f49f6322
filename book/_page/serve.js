// The engine behind a port: a worker's, or the page's own thread. It paints while nobody says pause, and answers with
// messages: {kind: "ready" | "step" | "paused" | "finished" | "failed", ...}.

import { quickenProcessor } from "./processor.js";
import { Race } from "./race.js";
import { Run } from "./run.js";

const prepared = new WeakSet();

export class Painter {
  // `post(message, transferred)` takes the answers; `wait()` lets the thread breathe between two steps.
  constructor(tf, settings, weights, post, wait) {
    Object.assign(this, { tf, settings, weights, wait });
    this.trouble = null; // what WebGPU says of itself beside the answers
    this.number = undefined; // of the run, so that the page knows which one an answer is about
    this.post = (message, moved) => post({ ...message, number: this.number }, moved);
    if (!prepared.has(tf)) quickenProcessor(tf);
    prepared.add(tf);
    this.run = null;
    this.going = false;
    this.loop = Promise.resolve();
  }

  // What a message asks for, after those before it.
  receive(message) {
    this.going = this.going && message.kind === "go on";
    this.loop = this.loop.then(() => this.obey(message)).catch((error) => this.fail(error));
    return this.loop;
  }

  async obey({ kind, ...given }) {
    if (kind === "start") {
      this.run?.dispose();
      this.run = null;
      const { backend, pictures, recipe, recipes, from, apart } = given;
      this.number = given.number;
      await this.use(backend);
      const needs = [this.tf, this.settings, this.weights, pictures];
      this.run = recipes ? new Race(...needs, recipes, from) : new Run(...needs, recipe, from, apart);
      this.post({ kind: "ready", backend });
      this.show();
    } else if (kind === "change") {
      this.run?.change(given.recipes ?? given.recipe);
    } else if (kind === "weights") {
      this.weights = [...this.weights, ...given.weights];
      if (this.run) this.run.weights = this.weights;
    } else if (kind === "use") {
      this.post({ kind: "used", works: await this.use(given.backend, given.extra).then(() => true, () => false) });
    } else if (kind === "probe") {
      await this.use(given.backend);
      this.post({ kind: "probed", backend: given.backend, speed: await speed(this.tf) });
    } else if (kind === "pause") {
      this.post({ kind: "paused" });
    }
    if (kind === "go on" || given.going) this.go();
  }

  // Paint, without holding up the messages to come.
  go() {
    if (!this.run || this.going) return;
    if (this.run.finished) this.run.resume();
    this.going = true;
    this.loop = this.loop.then(() => this.paint()).catch((error) => this.fail(error));
  }

  async paint() {
    while (this.going && !this.run.finished) {
      const began = performance.now();
      const state = await this.run.next();
      if (this.tf.backend().gpgpu?.gl.isContextLost()) throw new Error("the context was lost");
      if (this.trouble) throw new Error(this.trouble);
      this.show({ ...state, seconds: (performance.now() - began) / 1000 });
      await this.wait();
    }
    if (this.run.finished) {
      this.going = false;
      this.post({ kind: "finished" });
    }
  }

  show(state = null) {
    const pictures = this.run.shown.map(({ rows, columns, data }) => ({ rows, columns, data: data.slice() }));
    this.post({ kind: "step", state, picture: pictures[0], pictures }, pictures.map(({ data }) => data.buffer));
  }

  async use(backend, extra = null) {
    if (extra && !this.tf.findBackendFactory(backend)) addBackend(this.tf, extra);
    if (!(await this.tf.setBackend(backend))) throw new Error(`this browser has no ${backend}: choose another back end`);
    await this.tf.ready();
    const { device } = this.tf.backend();
    if (!device || device === this.device) return;
    if (await Promise.race([device.lost, null])) throw new Error("the device was lost");
    this.device = device;
    // Where its device is lost or too small, WebGPU computes zeros.
    device.lost.then(({ message }) => (this.trouble = `the device was lost: ${message}`));
    device.addEventListener("uncapturederror", ({ error }) => (this.trouble ??= error.message));
  }

  fail(error) {
    this.going = false;
    const text = this.trouble ?? `${error?.message ?? error}`;
    const lost = /context|lost|compile|link|texture|framebuffer|gpu/i.test(text);
    const memory = error instanceof RangeError || /memory|allocation|too large|exceeds/i.test(text);
    this.post({ kind: "failed", message: text, reason: memory ? "memory" : lost ? "context" : "other" });
  }
}

// In a worker: the first message brings settings and weights.
export function serve(scope, tf) {
  const wait = () => new Promise((resolve) => setTimeout(resolve, 0)); // lets messages in
  let painter = null;
  scope.onmessage = async ({ data }) => {
    if (data.kind !== "begin") return painter.receive(data);
    painter = new Painter(tf, data.settings, data.weights, (message, moved) => scope.postMessage(message, moved), wait);
    scope.postMessage({ kind: "begun", backends: await availableBackends(tf) });
  };
}

// Those that this thread has, the faster first: graphics imitated by software loses to plain loops.
export async function availableBackends(tf) {
  const made = { webgpu: await webgpuMaker(), webgl: webglMaker(tf) };
  const by = (maker) => Object.keys(made).filter((name) => made[name] === maker);
  return [...by("chip"), ...(typeof WebAssembly === "object" ? ["wasm"] : []), "cpu", ...by("software")];
}

async function webgpuMaker() {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  if (!adapter) return null;
  return (adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter) ? "software" : "chip";
}

// Half-precision textures cannot hold a Gram matrix.
function webglMaker(tf) {
  if (tf.env().getNumber("WEBGL_VERSION") !== 2 || !tf.env().getBool("WEBGL_RENDER_FLOAT32_ENABLED")) return null;
  const canvas = typeof OffscreenCanvas === "undefined" ? document.createElement("canvas") : new OffscreenCanvas(1, 1);
  const context = canvas.getContext("webgl2");
  const details = context?.getExtension("WEBGL_debug_renderer_info");
  const name = details ? context.getParameter(details.UNMASKED_RENDERER_WEBGL) : "";
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|software|basic render/i.test(name) ? "software" : "chip";
}

// A back end that the library leaves out (fetchExtra in port.js).
function addBackend(tf, { script, program }) {
  const exports = {};
  new Function("exports", "module", "require", script)(exports, { exports }, () => tf);
  if (!program) return;
  const address = URL.createObjectURL(new Blob([program], { type: "application/wasm" }));
  const builds = ["", "-simd", "-threaded-simd"].map((build) => `tfjs-backend-wasm${build}.wasm`);
  exports.setWasmPaths(Object.fromEntries(builds.map((build) => [build, address])));
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false); // what there is is built for one thread
}

// Operations a second, by a convolution of the kind that the network consists of, and the way back.
export async function speed(tf) {
  const side = tf.getBackend() === "cpu" ? 24 : 96;
  const [x, filters] = [tf.ones([1, side, side, 64]), tf.ones([3, 3, 64, 64])];
  const timed = async () => {
    const began = performance.now();
    const y = tf.tidy(() => tf.conv2dTranspose(tf.conv2d(x, filters, 1, "same"), filters, x.shape, 1, "same").sum());
    await y.data();
    y.dispose();
    return performance.now() - began;
  };
  await timed(); // compiles
  const milliseconds = Math.min(await timed(), await timed());
  for (const each of [x, filters]) each.dispose();
  return (2 * 2 * 9 * 64 * 64 * side * side) / (Math.max(milliseconds, 0.1) / 1000);
}
