"use strict";

/** The images that the page wants, drawn by a worker one after the other and kept for a while. */

const KEPT_BYTES = 2 ** 26;

class Drawing {
  /** @param {function} onFault - Is told, in words, why nothing can be drawn. */
  constructor(onFault) {
    const script = new Blob([document.getElementById("worker").textContent], { type: "text/javascript" });
    this.worker = new Worker(URL.createObjectURL(script));
    this.worker.onmessage = ({ data }) => (data.fault ? onFault(data.fault) : this.take(data));
    this.worker.onerror = event => onFault(event.message);
    const parts = [...document.querySelectorAll("[data-part]")].map(part => [part.id, part.textContent]);
    this.worker.postMessage({ parts: Object.fromEntries(parts) });
    this.kept = new Map();
    this.wishes = [];
    this.busy = false;
  }

  /**
   * Says what is wanted now, the most urgent first, in place of all that was wanted before.
   * @param {Array} wishes - Of each `wish`, what `worker.js` takes, and `show`, which takes the image.
   */
  want(wishes) {
    const keyed = wishes.map(({ wish, show }) => ({ wish: { ...wish, key: keyOf(wish) }, show }));
    this.wishes = keyed.filter(({ wish, show }) => {
      const image = this.kept.get(wish.key);
      if (image) show(image);
      return !image;
    });
    this.next();
  }

  next() {
    if (this.busy || !this.wishes.length) return;
    this.busy = true;
    this.worker.postMessage(this.wishes[0].wish);
  }

  take({ key, image }) {
    this.busy = false;
    this.kept.set(key, image);
    for (const oldest of this.kept.keys()) {
      if (this.kept.size * image.byteLength <= KEPT_BYTES) break;
      this.kept.delete(oldest);
    }
    for (const { wish, show } of this.wishes) if (wish.key === key) show(image);
    this.wishes = this.wishes.filter(({ wish }) => wish.key !== key);
    this.next();
  }
}

/** Wishes for the same image have the same key. */
function keyOf({ seed, toSeed, part, truncation, encoded }) {
  return [seed, part ? toSeed : seed, part, truncation, ...encoded].join();
}
