"use strict";

/** The generator as ONNX, drawn by onnxruntime-web, which lies in the page as well. */

/** What was compressed by gzip and written as base64. */
async function unpack(text) {
  const unpacked = new Blob([decodeBase64(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(unpacked).blob();
}

/** The address of a part of the page, by which the runtime can load it. */
async function addressOf(part, type) {
  return URL.createObjectURL(new Blob([await unpack(part)], { type }));
}

/** Opens a network: see the function of this name in network.js. */
async function openNetwork(parts) {
  const { latentSize, labels } = JSON.parse(parts.network);
  const ort = await import(await addressOf(parts.runtime, "text/javascript"));
  // One thread: a page from a file may not have memory that several share.
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = {
    mjs: await addressOf(parts.glue, "text/javascript"),
    wasm: await addressOf(parts.wasm, "application/wasm"),
  };
  const model = new Uint8Array(await (await unpack(parts.model)).arrayBuffer());
  const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
  const draw = async (latent, truncation, encoded) => {
    const inputs = {
      latents: new ort.Tensor("float32", latent, [1, latentSize]),
      truncation: new ort.Tensor("float32", [truncation], [1]),
    };
    let first = 0;
    for (const label of labels) {
      inputs[label.input] = labelTensor(ort, label, encoded.subarray(first, first + label.width));
      first += label.width;
    }
    return (await session.run(inputs)).images.data;
  };
  return { latentSize, draw };
}

/** A label as the model takes it: a number or the place of a category; NaN or -1 where it is unknown. */
function labelTensor(ort, { isNumber, mean, deviation }, columns) {
  const known = columns.at(-1) > 0;
  if (isNumber) return new ort.Tensor("float32", [known ? mean + deviation * columns[0] : NaN], [1]);
  return new ort.Tensor("int64", [BigInt(known ? columns.indexOf(1) : -1)], [1]);
}
