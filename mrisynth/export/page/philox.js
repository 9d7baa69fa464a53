"use strict";

/** Philox with four words of 32 bits, TensorFlow's, and of 64 bits, NumPy's (Salmon et al. 2011). */
const PHILOX_32 = {
  bits: 32,
  multipliers: [0xd2511f53n, 0xcd9e8d57n],
  steps: [0x9e3779b9n, 0xbb67ae85n],
};
const PHILOX_64 = {
  bits: 64,
  multipliers: [0xd2e7470ee14c6c93n, 0xca5a826395121157n],
  steps: [0x9e3779b97f4a7c15n, 0xbb67ae8584caa73bn],
};

/** The four random words of a counter (four words) and a key (two words), by ten rounds. */
function philox(kind, counter, key) {
  const word = value => BigInt.asUintN(kind.bits, value);
  let [a, b, c, d] = counter;
  for (let round = 0n; round < 10n; round++) {
    const [first, second] = [kind.multipliers[0] * a, kind.multipliers[1] * c];
    const [key0, key1] = key.map((part, index) => word(part + round * kind.steps[index]));
    const high = product => product >> BigInt(kind.bits);
    [a, b, c, d] = [high(second) ^ b ^ key0, word(second), high(first) ^ d ^ key1, word(first)];
  }
  return [a, b, c, d];
}
