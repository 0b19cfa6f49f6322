// The way from the page to the engine: a worker where the browser can, else the page's own thread.

import { load } from "./load.js";
import { decodeWeights } from "./network.js";

// All that painting takes, from beside the page: {weights, samples}.
export async function fetchEngine(document, folder) {
  await Promise.all(["tf.js", "engine.js", "weights.js", "samples.js"].map((name) => load(document, folder + name)));
  const scope = document.defaultView;
  const weights = decodeWeights(scope.styletutWeights);
  delete scope.styletutWeights;
  return { weights, samples: scope.styletutSamples };
}

// A port to an engine that has begun: {send, close, backends, place}. Its messages go to `hear`.
export async function connect(scope, settings, weights, hear) {
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
      if (!data.backends.includes("webgl") && hasGraphics(scope)) {
        close();
        return reject(new Error("no WebGL in a worker"));
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
    backends: engine.availableBackends(tf),
    place: "page",
  };
}
