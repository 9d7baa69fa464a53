"use strict";

/** What TensorFlow scrambles a seed with. */
const SCRAMBLING_KEY = [0x3ec8f720n, 0x02461e29n];

/**
 * The latent of a seed: `mrisynth.sampling.latents.seeded_latents`, which is
 * tf.random.stateless_normal([size], [seed, 0], alg="philox").
 */
function seededLatent(seed, size) {
  const low = BigInt.asUintN(32, BigInt(seed));
  const mixed = philox(PHILOX_32, [low, BigInt(seed) >> 32n, 0n, 0n], SCRAMBLING_KEY);
  const key = mixed.slice(0, 2);
  const latent = new Float32Array(size);
  for (let first = 0; first < size; first += 4) {
    const words = philox(PHILOX_32, [BigInt(first / 4), 0n, mixed[2], mixed[3]], key);
    const normals = [...boxMuller(words[0], words[1]), ...boxMuller(words[2], words[3])];
    latent.set(normals.slice(0, size - first), first);
  }
  return latent;
}

/** Two normal numbers of two random words. */
function boxMuller(first, second) {
  const uniform = word => Number(word & 0x7fffffn) / 2 ** 23;
  const radius = Math.sqrt(-2 * Math.log(Math.max(uniform(first), 1e-7)));
  const angle = Math.fround(2 * Math.PI * uniform(second));
  return [radius * Math.sin(angle), radius * Math.cos(angle)];
}

/** A latent on the great circle between two: `mrisynth.sampling.interpolation.great_circle`. */
function greatCircle(first, last, part) {
  const product = (a, b) => a.reduce((sum, value, index) => sum + value * b[index], 0);
  const lengths = [Math.sqrt(product(first, first)), Math.sqrt(product(last, last))];
  const cosine = product(first, last) / (lengths[0] * lengths[1]);
  const angle = Math.acos(Math.min(Math.max(cosine, -1), 1));
  if (part === 0 || Math.sin(angle) < 2 ** -23)
    return first.map((value, index) => value + part * (last[index] - value));
  const length = lengths[0] + part * (lengths[1] - lengths[0]);
  const shares = [Math.sin((1 - part) * angle), Math.sin(part * angle)].map(
    (share, end) => (length * share) / (Math.sin(angle) * lengths[end])
  );
  return first.map((value, index) => shares[0] * value + shares[1] * last[index]);
}
