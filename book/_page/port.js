// The way from the page to the engine: a worker where the browser can, else the page's own thread.

import { EXTRAS, load } from "./load.js";
import { bytes, decodeWeights } from "./network.js";

// All that painting takes, from beside the page: {weights, samples}.
export async function fetchEngine(document, folder) {
  await Promise.all(["tf.js", "engine.js", "weights.js", "samples.js"].map((name) => load(document, folder + name)));
  const scope = document.defaultView;
  const weights = decodeWeights(scope.styletutWeights);
  delete scope.styletutWeights;
  return { weights, samples: scope.styletutSamples };
}

// A back end that the library leaves out: the text of its script, and the program that it runs if it is WebAssembly.
export async function fetchExtra(document, folder, backend) {
  await load(document, `${folder}${backend}.js`);
  const { script, program } = document.defaultView.styletutBackends[backend];
  return { script: await unzipped(script).text(), program: program && (await unzipped(program).arrayBuffer()) };
}

function unzipped(base64) {
  return new Response(new Blob([bytes(base64)]).stream().pipeThrough(new DecompressionStream("gzip")));
}

// A port to an engine that has begun: {send, close, backend, backends, place}. Its messages go to `hear`. It computes on
// the back end that is wanted, or else on the first that works.
export async function connect(scope, folder, settings, weights, hear, wanted = null) {
  let port = await begun(scope, settings, weights, listen);
  const others = port.backends.filter((name) => name !== wanted);
  for (const backend of wanted ? [wanted, ...others] : others) {
    port ??= await begun(scope, settings, weights, listen);
    if (await works(backend)) return Object.assign(port, { backend });
    port.close();
    port = null;
  }
  throw new Error("nothing can be computed here");

  async function works(backend) {
    try {
      const extra = backend in EXTRAS ? await fetchExtra(scope.document, folder, backend) : null;
      const answer = new Promise((resolve) => (port.tried = resolve));
      port.send({ kind: "use", backend, extra });
      return await answer;
    } catch {
      return false; // its script is missing, or cannot be read by this browser
    }
  }

  function listen(message) {
    if (message.kind === "used") port.tried(message.works);
    else if (!port.backend) port.tried(false); // the engine did not survive it
    else hear(message.kind === "failed" ? { ...message, instead: insteadOf(port, message.reason) } : message);
  }
}

// Where to go on after a failure: WebGPU that lost its device may lose the next one as well.
function insteadOf({ backend, backends }, reason) {
  return backend === "webgpu" && reason === "context" ? backends.find((name) => name !== backend) : backend;
}

async function begun(scope, settings, weights, hear) {
  try {
    return await inWorker(scope, settings, weights, hear);
  } catch {
    return inThread(scope, settings, weights, hear);
  }
}

function inWorker(scope, settings, weights, hear) {
  // From file:// a worker can neither be a file nor load one: it gets the functions' own source.
  const source = `"use strict";
const tf = (${scope.styletutTensorFlow})();
(${scope.styletutEngine})().serve(self, tf);`;
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  return new Promise((resolve, reject) => {
    const worker = new Worker(address);
    const close = () => {
      worker.terminate();
      URL.revokeObjectURL(address);
    };
    let begun = false;
    worker.onerror = (event) => {
      close();
      if (begun) hear({ kind: "failed", message: event.message || "the worker stopped", reason: "context" });
      else reject(new Error(event.message || "no worker"));
    };
    worker.onmessage = ({ data }) => {
      if (data.kind !== "begun") return hear(data);
      // A worker without a graphics chip is worse than a page with one.
      if (!["webgpu", "webgl"].some((name) => data.backends.includes(name)) && hasGraphics(scope)) {
        close();
        return reject(new Error("no graphics chip in a worker"));
      }
      begun = true;
      resolve({ send: (message) => worker.postMessage(message), close, backends: data.backends, place: "worker" });
    };
    worker.postMessage({ kind: "begin", settings, weights });
  });
}

function hasGraphics(scope) {
  const canvas = scope.document.createElement("canvas");
  const context = canvas.getContext("webgl2");
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return context !== null;
}

async function inThread(scope, settings, weights, hear) {
  const tf = (scope.styletutLibrary ??= scope.styletutTensorFlow());
  const engine = scope.styletutEngine();
  const wait = () =>
    new Promise((resolve) => (scope.document.hidden ? setTimeout(resolve, 0) : requestAnimationFrame(() => setTimeout(resolve, 0))));
  let open = true;
  const painter = new engine.Painter(tf, settings, weights, (message) => open && hear(message), wait);
  return {
    send: (message) => void setTimeout(() => painter.receive(message)),
    close: () => {
      open = false;
      painter.going = false;
    },
    backends: await engine.availableBackends(tf),
    place: "page",
  };
}
