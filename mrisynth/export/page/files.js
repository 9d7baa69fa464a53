"use strict";

/** Images as files; every file says where the image comes from. */

const LARGEST_16_BITS = 2 ** 15 - 1;

/** A file of NIfTI, compressed: the voxels of one channel after a head that was made beforehand. */
async function niftiFile(image, channels, channel, head, isMask) {
  const count = image.length / channels;
  // The axes of voxels run towards the right, the front and the top, rows and columns the other way.
  const voxels = Array.from({ length: count }, (_, place) =>
    valueAt(image, channels, channel, count - 1 - place)
  );
  const stored = isMask
    ? Uint8Array.from(voxels, value => Number(value > 0))
    : Int16Array.from(voxels, value => Math.round(LARGEST_16_BITS * value));
  return new Response(
    new Blob([decodeBase64(head), stored]).stream().pipeThrough(new CompressionStream("gzip"))
  ).blob();
}

/** A file of PNG, of a canvas, that says something in words, as its "Description". */
async function pngFile(canvas, words) {
  const drawn = await new Promise(resolve => canvas.toBlob(resolve, "image/png"));
  const bytes = new Uint8Array(await drawn.arrayBuffer());
  // The signature of eight bytes and the header, a chunk of 25, come first.
  const headed = 8 + 25;
  const text = new TextEncoder().encode(`Description\0\0\0\0\0${words}`);
  const parts = [bytes.slice(0, headed), pngChunk("iTXt", text), bytes.slice(headed)];
  return new Blob(parts, { type: "image/png" });
}

function pngChunk(kind, content) {
  const named = new Uint8Array([...new TextEncoder().encode(kind), ...content]);
  const number = value => new Uint8Array([value >>> 24, value >>> 16, value >>> 8, value]);
  return new Blob([number(content.length), named, number(crc32(named))]);
}

/** Hands a file to whoever looks at the page. */
function save(file, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
