"use strict";

/** How an image is shown: gray values by a window, masks as a color, a scale, the directions of the body. */

const MASK_COLOR = [255, 140, 0];
const MASK_SHARE = 0.5;
const SCALE_LENGTHS_MM = [100, 50, 20, 10, 5, 2, 1];

/** One value of a channel. */
function valueAt(image, channels, channel, place) {
  return image[place * channels + channel];
}

/**
 * Paints the pixels of an image, one by one.
 * @param {Float32Array} image - [row, column, channel], from -1 to 1.
 * @param {object} view - channels (how many), channel (which), masks (which are laid over it), and a window:
 *   its center and width, in parts of the range from -1 to 1.
 * @returns {HTMLCanvasElement} As large as the image.
 */
function paintPixels(image, { channels, channel, masks, center, width }) {
  const size = Math.round(Math.sqrt(image.length / channels));
  const canvas = Object.assign(document.createElement("canvas"), { width: size, height: size });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(size, size);
  for (let place = 0; place < size ** 2; place++) {
    const gray = 255 * ((valueAt(image, channels, channel, place) - center) / width + 0.5);
    const covered = masks.some(mask => valueAt(image, channels, mask, place) > 0);
    for (let color = 0; color < 3; color++)
      pixels.data[4 * place + color] = covered
        ? (1 - MASK_SHARE) * Math.min(Math.max(gray, 0), 255) + MASK_SHARE * MASK_COLOR[color]
        : gray;
    pixels.data[4 * place + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/**
 * Paints an image into a canvas, with a scale and the directions.
 * @param {object} marks - pixelSize in mm, letters (left, right, top, bottom), smooth (between pixels).
 */
function paintPicture(canvas, pixels, { pixelSize, letters, smooth }) {
  const context = canvas.getContext("2d");
  const edge = canvas.width;
  context.imageSmoothingEnabled = smooth;
  context.imageSmoothingQuality = "high";
  context.drawImage(pixels, 0, 0, edge, edge);
  const unit = edge / 40;
  context.font = `600 ${1.1 * unit}px sans-serif`;
  context.fillStyle = context.strokeStyle = "#fff";
  context.shadowColor = "#000";
  context.shadowBlur = unit / 4;
  context.textBaseline = "middle";
  context.textAlign = "center";
  const places = [[unit, edge / 2], [edge - unit, edge / 2], [edge / 2, unit], [edge / 2, edge - unit]];
  letters.forEach((letter, index) => context.fillText(letter, ...places[index]));
  const millimeters = pixels.width * pixelSize;
  const length = SCALE_LENGTHS_MM.find(each => each < 0.4 * millimeters) ?? SCALE_LENGTHS_MM.at(-1);
  const [left, right, bottom] = [unit, unit + (length / millimeters) * edge, edge - unit];
  context.lineWidth = unit / 8;
  context.beginPath();
  context.moveTo(left, bottom - unit / 2);
  context.lineTo(left, bottom);
  context.lineTo(right, bottom);
  context.lineTo(right, bottom - unit / 2);
  context.stroke();
  context.textAlign = "left";
  context.fillText(`${length} mm`, left + unit / 4, bottom - unit);
  context.shadowBlur = 0;
}
