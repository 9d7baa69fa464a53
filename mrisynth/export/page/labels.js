"use strict";

/**
 * Which labels a seed has: `mrisynth.sampling.conditions.SeededLabels`, so that a seed means the same here as
 * for tools/generate.py. `asked` holds what is asked, a category or a number by the name of a label, null for
 * unknown; all other labels are as they come together in the training data.
 */

const MOST_DEVIATIONS = 3;

/** A number from 0 to 1 for a seed and a label; the name "" is for the choice of a cell. */
function uniform(seed, name) {
  const key = [BigInt(seed), BigInt(crc32(new TextEncoder().encode(name)))];
  const [word] = philox(PHILOX_64, [1n, 0n, 0n, 0n], key);
  return Number(word >> 11n) * 2 ** -53;
}

/** The labels of a seed, by name. */
function labelsOfSeed(distribution, seed, asked) {
  const cell = drawCell(agreeingCells(distribution.cells, targetsOf(distribution, asked)), uniform(seed, ""));
  return Object.fromEntries(
    distribution.labels.map((label, index) => {
      const part = cell.values[index];
      if (label.name in asked) return [label.name, asked[label.name]];
      return [label.name, Array.isArray(part) ? drawFromBin(part, uniform(seed, label.input)) : part];
    })
  );
}

/** What cells are compared with: categories and bins; null where nothing is asked, NaN where no bin is. */
function targetsOf(distribution, asked) {
  return distribution.labels.map(label => {
    const value = asked[label.name] ?? null;
    return value !== null && isNumber(label) ? findBin(value, label.bins) ?? NaN : value;
  });
}

function isNumber(label) {
  return label.kind === "continuous";
}

/** The first bin, [least, mean, most], that a number is in. */
function findBin(value, bins) {
  return bins.find(([low, , high]) => low <= value && value <= high);
}

function isSame(first, second) {
  return JSON.stringify(first) === JSON.stringify(second) && !Number.isNaN(second);
}

/** The cells that agree with categories and bins, or else do not contradict them. */
function agreeingCells(cells, targets) {
  for (const unknownAgrees of [false, true]) {
    const agreeing = cells.filter(cell =>
      targets.every((target, index) => {
        const value = cell.values[index];
        return target === null || isSame(value, target) || (unknownAgrees && value === null);
      })
    );
    if (agreeing.length) return agreeing;
  }
  return [{ values: targets.map(() => null), weight: 1 }];
}

/** One of the cells, by their weights. */
function drawCell(cells, random) {
  let sum = 0;
  const sums = cells.map(cell => (sum += cell.weight));
  return cells[sums.findIndex(each => each > random * sum)];
}

/** A number from a bin, by a power of a uniform one that has the mean of the bin's numbers. */
function drawFromBin([low, mean, high], random) {
  return mean <= low ? low : low + (high - low) * random ** ((high - low) / (mean - low) - 1);
}

/** Labels on the way from one image to another: numbers move evenly, all else changes half-way. */
function labelsBetween(first, last, part) {
  return Object.fromEntries(
    Object.entries(first).map(([name, begin]) => {
      const end = last[name];
      const moves = typeof begin === "number" && typeof end === "number";
      return [name, moves ? begin + part * (end - begin) : part < 0.5 ? begin : end];
    })
  );
}

/** Labels as the network takes them, a Float32Array. */
function encodeLabels(distribution, values) {
  const columns = distribution.labels.flatMap(label => {
    const value = values[label.name];
    if (!isNumber(label))
      return [...label.vocabulary.map(category => Number(category === value)), Number(value !== null)];
    if (value === null) return [0, 0];
    const deviations = (value - label.mean) / label.deviation;
    return [Math.min(Math.max(deviations, -MOST_DEVIATIONS), MOST_DEVIATIONS), 1];
  });
  return Float32Array.from(columns);
}

/** Whether enough training subjects have together what is asked. */
function isShared(distribution, asked) {
  const wanted = targetsOf(distribution, asked);
  const fits = combination =>
    wanted.every((value, index) => value === null || isSame(combination[index], value));
  return wanted.every(value => value === null) || distribution.combinations.some(fits);
}
