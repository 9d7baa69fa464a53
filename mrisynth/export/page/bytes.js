"use strict";

/** Decodes base64 to bytes. */
function decodeBase64(text) {
  const letters = atob(text.trim());
  const bytes = new Uint8Array(letters.length);
  for (let index = 0; index < bytes.length; index++) bytes[index] = letters.charCodeAt(index);
  return bytes;
}

/** Numbers of half precision (IEEE 754 binary16, little-endian, as base64) in single precision. */
function decodeHalf(text) {
  const values = new Float32Array(1 << 16);
  for (let bits = 0; bits < values.length; bits++) {
    const exponent = (bits >> 10) & 31;
    const fraction = (bits & 1023) / 1024;
    const size = exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction;
    values[bits] = bits >> 15 ? -size : size;
  }
  return new Float32Array(new Uint16Array(decodeBase64(text).buffer)).map(bits => values[bits]);
}

/** The CRC-32 of bytes, which PNG files and the labels of seeds are built on. */
function crc32(bytes) {
  let sum = -1;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}
