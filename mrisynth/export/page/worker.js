"use strict";

/** Draws images beside the page, so that it stays responsive; takes the network, then one wish at a time. */

let network;

onmessage = async ({ data }) => {
  try {
    if (data.parts) network = openNetwork(data.parts);
    else await answer(data, await network);
  } catch (error) {
    postMessage({ fault: String(error) });
  }
};

async function answer({ key, seed, toSeed, part, truncation, encoded }, { latentSize, draw }) {
  const [first, last] = [seed, toSeed].map(each => seededLatent(each, latentSize));
  const image = await draw(greatCircle(first, last, part), truncation, encoded);
  postMessage({ key, image }, [image.buffer]);
}
