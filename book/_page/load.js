// What is loaded, once and only when it is asked for: a script beside this one.

// Of the library, the engine, the weights and the samples, which come together, and of the back end, if it is one of
// those that the library leaves out.
export const DOWNLOAD = "6.7 to 6.9 MB";
export const EXTRAS = { webgpu: "0.1 MB", wasm: "0.2 MB" };

const loading = new Map();

export function load(document, address) {
  if (!loading.has(address)) {
    loading.set(
      address,
      new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = address;
        script.onload = resolve;
        script.onerror = () => {
          loading.delete(address);
          reject(new Error(`${address.split("/").pop()} could not be loaded`));
        };
        document.head.append(script);
      }),
    );
  }
  return loading.get(address);
}
