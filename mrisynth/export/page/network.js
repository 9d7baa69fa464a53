"use strict";

/**
 * The generator, as `mrisynth.networks.Generator` computes it. Maps are Float32Arrays [row, column, channel],
 * a kernel is one of [offset, input, output]; how many channels there are follows from their lengths.
 */

const SMALLEST = 4;
const SLOPE = 0.2;
const EPSILON = 1e-8;
const NOISE_FIELDS = 16;

/** The numbers from -radius to radius. */
const upTo = radius => Array.from({ length: 2 * radius + 1 }, (_, index) => index - radius);

/** What a kernel of 2 radius + 1 pixels along an edge looks at. */
const around = radius => upTo(radius).flatMap(row => upTo(radius).map(column => [row, column]));

/**
 * Opens a network.
 * @param {object} parts - Texts of the page: the layers, and the weights that they have.
 * @returns {object} latentSize, and draw, a function like `drawImage` of all but the network.
 */
function openNetwork({ network: layers, weights }) {
  const numbers = decodeHalf(weights);
  const network = JSON.parse(layers, (_, value) =>
    value?.first === undefined ? value : numbers.subarray(value.first, value.first + value.length)
  );
  prepareNetwork(network);
  return { latentSize: network.latentSize, draw: (...wish) => drawImage(network, ...wish) };
}

/** Makes ready what was read from the page. */
function prepareNetwork(network) {
  const plain = (kernel, offsets) => ({ step: 1, phases: [{ row: 0, column: 0, offsets, kernel }] });
  network.blocks.forEach((block, level) => {
    if (level > 0) {
      const inputs = network.blocks[level - 1].convolution.bias.length;
      block.entry.convolution = foldUp(block.entry.kernel, inputs * block.entry.bias.length);
    }
    block.convolution.convolution = plain(block.convolution.kernel, around(1));
    for (const name in block.attention ?? {}) block.attention[name] = plain(block.attention[name], [[0, 0]]);
  });
  network.image.convolution = plain(network.image.kernel, [[0, 0]]);
}

/**
 * Doubling the resolution and a convolution in one: a pixel of the doubled map, at an even or odd row and
 * column, sees two by two pixels of the map, by sums of a 3x3 kernel's weights; three by three by a 5x5 kernel's.
 * @param {Float32Array} kernel - Of every offset, the weights of all pairs of channels.
 * @param {number} length - How many pairs of channels there are.
 */
function foldUp(kernel, length) {
  const radius = (Math.sqrt(kernel.length / length) - 1) / 2;
  const seen = (odd, offset) => Math.floor((odd + offset) / 2);
  const sides = [0, 1].map(odd => [...new Set(upTo(radius).map(offset => seen(odd, offset)))]);
  const phases = [];
  for (const row of [0, 1]) {
    for (const column of [0, 1]) {
      const offsets = sides[row].flatMap(down => sides[column].map(right => [down, right]));
      const folded = new Float32Array(offsets.length * length);
      around(radius).forEach(([down, right], offset) => {
        const place = [sides[row].indexOf(seen(row, down)), sides[column].indexOf(seen(column, right))];
        const first = (sides[column].length * place[0] + place[1]) * length;
        for (let index = 0; index < length; index++) folded[first + index] += kernel[offset * length + index];
      });
      phases.push({ row, column, offsets, kernel: folded });
    }
  }
  return { step: 2, phases };
}

/**
 * Draws an image.
 * @param {object} network - What `prepareNetwork` made ready.
 * @param {Float32Array} latent - From N(0, I).
 * @param {number} truncation - 1 leaves images as they are, less makes them more alike.
 * @param {Float32Array} encoded - The labels, encoded; empty where there are none.
 * @returns {Float32Array} [row, column, channel], from -1 to 1.
 */
function drawImage(network, latent, truncation, encoded) {
  const embedding = network.labels ? embed(network.labels, encoded) : null;
  let maps = pixelNorm(latent.slice(), latent.length).map(value => truncation * value);
  let size = SMALLEST;
  network.blocks.forEach((block, level) => {
    const units = block.entry.bias.length;
    const terms = embedding ? dense(embedding, block.modulation) : null;
    if (level === 0) {
      maps = dense(maps, block.entry.kernel);
      if (embedding) dense(embedding, network.labels.dense).forEach((value, index) => (maps[index] += value));
    } else {
      maps = convolve(maps, size, block.entry.convolution);
      size *= 2;
    }
    maps = modulate(pixelNorm(activate(maps, block.entry.bias), units), units, terms, 0);
    if (block.noise) addNoise(maps, size, latent, block.noise);
    maps = activate(convolve(maps, size, block.convolution.convolution), block.convolution.bias);
    maps = modulate(pixelNorm(maps, units), units, terms, 2);
    if (block.attention) attend(maps, size, block.attention);
  });
  const image = convolve(maps, size, network.image.convolution);
  const { bias } = network.image;
  return image.map((value, index) => Math.min(Math.max(value + bias[index % bias.length], -1), 1));
}

/** The product of a vector and a kernel. */
function dense(inputs, kernel) {
  const outputs = new Float32Array(kernel.length / inputs.length);
  multiply(inputs, kernel, outputs.length, outputs, 0);
  return outputs;
}

/** Convolves maps of size by size pixels; outside of them everything is 0. */
function convolve(maps, size, { step, phases }) {
  const channels = maps.length / size ** 2;
  const units = phases[0].kernel.length / (phases[0].offsets.length * channels);
  const width = step * size;
  const outputs = new Float32Array(width ** 2 * units);
  const patch = new Float32Array(phases[0].offsets.length * channels);
  for (const phase of phases) {
    for (let row = 0; row < size; row++) {
      for (let column = 0; column < size; column++) {
        gather(maps, size, channels, row, column, phase.offsets, patch);
        const place = (step * row + phase.row) * width + step * column + phase.column;
        multiply(patch, phase.kernel, units, outputs, place * units);
      }
    }
  }
  return outputs;
}

/** Copies the pixels around one into a patch. */
function gather(maps, size, channels, row, column, offsets, patch) {
  let place = 0;
  for (const [down, right] of offsets) {
    const [seenRow, seenColumn] = [row + down, column + right];
    const inside = seenRow >= 0 && seenRow < size && seenColumn >= 0 && seenColumn < size;
    const first = (seenRow * size + seenColumn) * channels;
    for (let channel = 0; channel < channels; channel++)
      patch[place++] = inside ? maps[first + channel] : 0;
  }
}

/** Writes the product of a vector and a kernel, eight sums at a time, which is all that takes time here. */
function multiply(inputs, kernel, units, outputs, first) {
  const count = inputs.length;
  let unit = 0;
  for (; unit + 8 <= units; unit += 8) {
    let a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0;
    for (let index = 0, at = unit; index < count; index++, at += units) {
      const value = inputs[index];
      a += value * kernel[at];
      b += value * kernel[at + 1];
      c += value * kernel[at + 2];
      d += value * kernel[at + 3];
      e += value * kernel[at + 4];
      f += value * kernel[at + 5];
      g += value * kernel[at + 6];
      h += value * kernel[at + 7];
    }
    const place = first + unit;
    outputs[place] = a;
    outputs[place + 1] = b;
    outputs[place + 2] = c;
    outputs[place + 3] = d;
    outputs[place + 4] = e;
    outputs[place + 5] = f;
    outputs[place + 6] = g;
    outputs[place + 7] = h;
  }
  for (; unit < units; unit++) {
    let sum = 0;
    for (let index = 0, at = unit; index < count; index++, at += units) sum += inputs[index] * kernel[at];
    outputs[first + unit] = sum;
  }
}

/** Adds the bias of every channel; what is negative then is reduced to a fifth. Changes the maps. */
function activate(maps, bias) {
  for (let first = 0; first < maps.length; first += bias.length) {
    for (let channel = 0; channel < bias.length; channel++) {
      const value = maps[first + channel] + bias[channel];
      maps[first + channel] = value < 0 ? SLOPE * value : value;
    }
  }
  return maps;
}

/** Divides every pixel's channels by their root mean square. Changes the maps. */
function pixelNorm(maps, channels) {
  for (let first = 0; first < maps.length; first += channels) {
    let squares = 0;
    for (let index = first; index < first + channels; index++) squares += maps[index] ** 2;
    const scale = 1 / Math.sqrt(squares / channels + EPSILON);
    for (let index = first; index < first + channels; index++) maps[index] *= scale;
  }
  return maps;
}

/** Adds noise that follows from the latent, as `mrisynth.layers.noise` has it. Changes the maps. */
function addNoise(maps, size, latent, strength) {
  const fields = Math.min(NOISE_FIELDS, latent.length);
  const weights = pixelNorm(latent.slice(0, fields), fields).map(weight => weight / Math.sqrt(fields));
  for (let pixel = 0; pixel < size ** 2; pixel++) {
    let hash = Math.imul(pixel, 0x9e3779b1) + size;
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash ^= hash >>> 16;
    const noise = weights.reduce((sum, weight, field) => sum + ((hash >>> field) & 1 ? weight : -weight), 0);
    strength.forEach((part, channel) => (maps[pixel * strength.length + channel] += part * noise));
  }
}

/** Gives every channel the gain and the bias that labels predict, parts of the terms. Changes the maps. */
function modulate(maps, channels, terms, part) {
  if (!terms) return maps;
  const [gains, biases] = [part * channels, (part + 1) * channels];
  for (let first = 0; first < maps.length; first += channels) {
    for (let channel = 0; channel < channels; channel++) {
      const scaled = maps[first + channel] * (1 + terms[gains + channel]);
      maps[first + channel] = scaled + terms[biases + channel];
    }
  }
  return maps;
}

/** Self-attention: every pixel adds a mean of all values, by how well they fit it. Changes the maps. */
function attend(maps, size, { query, key, value, output }) {
  const queries = convolve(maps, size, query);
  const keys = maxPool(convolve(maps, size, key), size);
  const values = maxPool(convolve(maps, size, value), size);
  const pixels = size ** 2;
  const places = pixels / 4;
  const [narrow, wide] = [keys.length / places, values.length / places];
  const channels = maps.length / pixels;
  const weights = new Float64Array(places);
  const attended = new Float32Array(wide);
  const added = new Float32Array(channels);
  for (let pixel = 0; pixel < pixels; pixel++) {
    let largest = -Infinity;
    for (let place = 0; place < places; place++) {
      let logit = 0;
      for (let index = 0; index < narrow; index++)
        logit += queries[pixel * narrow + index] * keys[place * narrow + index];
      weights[place] = logit;
      if (logit > largest) largest = logit;
    }
    let total = 0;
    attended.fill(0);
    for (let place = 0; place < places; place++) {
      const weight = Math.exp(weights[place] - largest);
      total += weight;
      for (let index = 0; index < wide; index++) attended[index] += weight * values[place * wide + index];
    }
    for (let index = 0; index < wide; index++) attended[index] /= total;
    multiply(attended, output.phases[0].kernel, channels, added, 0);
    for (let channel = 0; channel < channels; channel++) maps[pixel * channels + channel] += added[channel];
  }
}

/** Halves maps by the maximum of two by two pixels. */
function maxPool(maps, size) {
  const channels = maps.length / size ** 2;
  const half = size / 2;
  const pooled = new Float32Array(half ** 2 * channels).fill(-Infinity);
  for (let index = 0; index < maps.length; index++) {
    const [pixel, channel] = [Math.floor(index / channels), index % channels];
    const [row, column] = [Math.floor(pixel / size) >> 1, (pixel % size) >> 1];
    const place = (row * half + column) * channels + channel;
    if (maps[index] > pooled[place]) pooled[place] = maps[index];
  }
  return pooled;
}

/** One vector of all labels; of a number, its sines and cosines are seen, too. */
function embed(labels, encoded) {
  const sum = new Float32Array(labels.size);
  let first = 0;
  for (const { width, frequencies, kernel } of labels.embeddings) {
    const columns = [...encoded.subarray(first, first + width)];
    first += width;
    if (frequencies) {
      const [value, known] = columns;
      for (const wave of [Math.sin, Math.cos])
        columns.push(...frequencies.map(frequency => known * wave(value * frequency)));
    }
    dense(Float32Array.from(columns), kernel).forEach((share, index) => (sum[index] += share));
  }
  return pixelNorm(sum, sum.length);
}
