// What a step costs, counted from the table of layers: operations, and bytes at its peak.

export function estimate(table, layers, [rows, columns], padding) {
  const deepest = Math.max(...layers.map((name) => table.findIndex((layer) => layer.name === name)));
  let operations = 0;
  let kept = 0;
  let largest = 0;
  let weights = 0;
  let channels = 3;
  for (const layer of table.slice(0, deepest + 1)) {
    const positions = Math.ceil(rows / layer.stride) * Math.ceil(columns / layer.stride);
    const bytes = 4 * layer.channels * positions;
    if (layer.kind === "conv") {
      operations += 2 * 2 * 9 * channels * layer.channels * positions; // forward, and back to the input
      weights += 4 * (9 * channels + 1) * layer.channels;
      channels = layer.channels;
      largest = Math.max(largest, bytes);
    } else {
      kept += bytes; // what the backward pass needs: the activations and the pooled maps
    }
    if (layers.includes(layer.name)) operations += 3 * 2 * layer.channels ** 2 * positions; // Gram matrix, and back
  }
  // Beside what is kept: a gradient, what it is made of, and their padded copies where edges are repeated.
  const working = (padding === "replicate" ? 5 : 3) * largest;
  return { operations, bytes: kept + working + weights };
}

export function readableBytes(bytes) {
  return bytes < 1e9 ? `${Math.max(1, Math.round(bytes / 1e6))} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

export function readableTime(seconds) {
  if (seconds < 1.5) return "a second";
  if (seconds < 90) return `${Math.round(seconds)} seconds`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} minutes` : `${(seconds / 3600).toFixed(1)} hours`;
}
