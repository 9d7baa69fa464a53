"use strict";

/** What one sees and does: the state of the page, and how it comes to be seen. */

const facts = JSON.parse(document.getElementById("facts").textContent);
const LAST_SEED = 2 ** 53 - 1;
const GRID = 24;
const DRAG_PIXELS = 300;

const state = {
  seed: 0,
  toSeed: 1,
  part: 0,
  truncation: 1,
  asked: {},
  channel: 0,
  masks: true,
  smooth: true,
  center: 0,
  width: 2,
  dragged: null,
  image: null,
  said: null,
};

const element = id => document.getElementById(id);
const drawing = new Drawing(words => {
  element("fault").hidden = false;
  element("fault").textContent = `This browser cannot draw the images (${words}).`;
});

/** The labels of a seed, and on the way those between two seeds. */
function labelsOf(seed, toSeed, part) {
  if (!facts.labels) return {};
  const first = labelsOfSeed(facts.labels, seed, state.asked);
  return part ? labelsBetween(first, labelsOfSeed(facts.labels, toSeed, state.asked), part) : first;
}

function wishFor(seed, toSeed = seed, part = 0) {
  const labels = labelsOf(seed, toSeed, part);
  const encoded = facts.labels ? encodeLabels(facts.labels, labels) : new Float32Array(0);
  return { seed, toSeed, part, truncation: state.truncation, encoded };
}

/** What the channels show, which may depend on the image's contrast. */
function channelsNow() {
  const contrast = labelsOf(state.seed, state.toSeed, state.part)[facts.contrastLabel] ?? "";
  return facts.channels[contrast];
}

/** How pixels are painted. */
function viewNow() {
  const channels = channelsNow();
  const masks = channels.flatMap(({ mask }, index) => (mask && state.masks ? [index] : []));
  const { channel, center, width } = state;
  return { channels: channels.length, channel, masks, center, width };
}

/** An intensity, of a number from -1 to 1. */
function intensity(value, [low, high]) {
  return low + ((value + 1) / 2) * (high - low);
}

/** Asks for what is to be seen, after anything has changed that images depend on. */
function redraw() {
  showSettings();
  const first = state.seed - (state.seed % GRID);
  const cells = [...element("grid").children];
  const said = describeImage();
  const main = {
    wish: wishFor(state.seed, state.toSeed, state.part),
    show: image => showImage(image, said),
  };
  const others = cells.map((cell, index) => {
    const seed = first + index;
    cell.dataset.seed = seed;
    cell.setAttribute("aria-label", `Seed ${seed}`);
    cell.setAttribute("aria-pressed", seed === state.seed);
    cell.lastChild.textContent = seed;
    return {
      wish: wishFor(seed),
      show: image => {
        cell.image = image;
        paintCell(cell);
      },
    };
  });
  drawing.want([main, ...others]);
}

function paintCell(cell) {
  if (cell.image) cell.firstChild.getContext("2d").drawImage(paintPixels(cell.image, viewNow()), 0, 0);
}

function showImage(image, said) {
  if (!state.image) performance.mark("first image");
  Object.assign(state, { image, said });
  repaint();
}

/** Paints anew what is there, after the window or another thing has changed that images do not depend on. */
function repaint() {
  if (!state.image) return;
  paintPicture(element("image"), paintPixels(state.image, viewNow()), { ...facts, smooth: state.smooth });
  [...element("grid").children].forEach(paintCell);
  showWindow();
}

function showWindow() {
  const { range } = channelsNow()[state.channel];
  const width = (state.width / 2) * (range[1] - range[0]);
  element("center").value = state.center;
  element("width").value = state.width;
  element("centerValue").textContent = intensity(state.center, range).toFixed(0);
  element("widthValue").textContent = width.toFixed(0);
}

/** The words for a label's value. */
function inWords(label, value) {
  if (value === null || value === undefined) return "unknown";
  return isNumber(label) ? Number(value.toPrecision(3)).toString() : value;
}

function showSettings() {
  element("seed").value = state.seed;
  element("toSeed").value = state.toSeed;
  element("part").value = state.part;
  element("partValue").textContent = `${Math.round(100 * state.part)} %`;
  element("truncation").value = state.truncation;
  element("truncationValue").textContent = state.truncation.toFixed(2);
  const values = labelsOf(state.seed, state.toSeed, state.part);
  const said = [state.part ? `Between seeds ${state.seed} and ${state.toSeed}` : `Seed ${state.seed}`];
  facts.labels?.labels.forEach((label, index) => {
    const words = inWords(label, values[label.name]);
    said.push(`${label.title}: ${words}`);
    showLabel(label, values[label.name], words, element("labels").children[index]);
  });
  element("shown").textContent = said.join(", ");
  element("image").setAttribute("aria-label", `Generated image. ${said.join(", ")}`);
  if (facts.labels) element("rare").hidden = isShared(facts.labels, state.asked);
  const missing = channelsNow().filter(({ name }) => values[`has/${name}`] === "no");
  element("missing").hidden = !missing.length;
  const names = missing.map(({ title }) => title).join(" and ");
  element("missing").textContent =
    `By its labels this image has no ${names}; what is drawn there means nothing.`;
}

function showLabel(label, value, words, row) {
  const [select, slider] = ["select", "input"].map(kind => row.querySelector(kind));
  const asked = state.asked[label.name];
  const isAsked = label.name in state.asked;
  select.options[0].textContent = `by the seed${isAsked ? "" : `: ${words}`}`;
  select.value = !isAsked ? "seed" : asked === null ? "unknown" : slider ? "set" : `=${asked}`;
  if (!slider) return;
  select.options[1].textContent = `set${isAsked && asked !== null ? `: ${words}` : ""}`;
  if (value !== null) slider.value = value;
}

/** Shows another seed. */
function browse(seed) {
  state.seed = Math.min(Math.max(Math.floor(seed) || 0, 0), LAST_SEED - GRID);
  state.toSeed = state.toSeed === state.seed ? state.seed + 1 : state.toSeed;
  state.part = 0;
  redraw();
}

function ask(name, value) {
  if (value === undefined) delete state.asked[name];
  else state.asked[name] = value;
  redraw();
}

/** Whether the images of the evaluation were not asked for this. */
function isAskedFor() {
  return state.truncation !== 1 || Object.keys(state.asked).length > 0;
}

/** What files say of the image that is wanted now; they are saved of the one that is shown. */
function describeImage() {
  const kind = isAskedFor() ? "asked" : "plain";
  const way = state.part ? `-to-${state.toSeed}-${Math.round(100 * state.part)}` : "";
  return {
    kind,
    fileName: `${facts.name.replace(/[^\w.-]/g, "_")}_seed-${state.seed}${way}`,
    words: `${facts.statements[kind]} ${element("shown").textContent}, truncation: ${state.truncation}.`,
    channels: channelsNow(),
  };
}

async function savePng() {
  if (!state.image) return;
  const { fileName, words } = state.said;
  const edge = element("image").width;
  const canvas = Object.assign(document.createElement("canvas"), { width: edge, height: edge });
  paintPicture(canvas, paintPixels(state.image, viewNow()), { ...facts, smooth: state.smooth });
  save(await pngFile(canvas, words), `${fileName}.png`);
}

async function saveNifti(index) {
  if (!state.image) return;
  const { kind, fileName, channels } = state.said;
  const { heads, mask, title } = channels[index];
  const file = await niftiFile(state.image, channels.length, index, heads[kind], mask);
  const ending = channels.length > 1 ? `_${title.replace(/\W+/g, "-")}` : "";
  save(file, `${fileName}${ending}.nii.gz`);
}

/** Where the pointer is, in mm from the middle in the directions of the body, and the intensity there. */
function read(event) {
  const box = element("image").getBoundingClientRect();
  const size = facts.resolution;
  const [column, row] = [
    ((event.clientX - box.left) / box.width) * size,
    ((event.clientY - box.top) / box.height) * size,
  ];
  if (!state.image || column < 0 || row < 0 || column >= size || row >= size) return;
  const along = (place, [before, after]) => {
    const distance = Math.round((place - size / 2) * facts.pixelSize);
    return `${distance < 0 ? before : after} ${Math.abs(distance)} mm`;
  };
  const channels = channelsNow();
  const place = Math.floor(row) * size + Math.floor(column);
  const value = valueAt(state.image, channels.length, state.channel, place);
  const where = `${along(column, facts.letters.slice(0, 2))}, ${along(row, facts.letters.slice(2))}`;
  element("reading").textContent = `${where}: ${intensity(value, channels[state.channel].range).toFixed(0)}`;
}

function resetWindow() {
  Object.assign(state, { center: 0, width: 2 });
  repaint();
}

/** Dragging to the right widens the window, dragging down raises its center, as in viewers of hospitals. */
function drag({ buttons, clientX, clientY }) {
  if (buttons === 1 && state.dragged) {
    const [right, down] = [clientX - state.dragged.clientX, clientY - state.dragged.clientY];
    state.width = Math.min(Math.max(state.width + (2 * right) / DRAG_PIXELS, 0.02), 4);
    state.center = Math.min(Math.max(state.center + (2 * down) / DRAG_PIXELS, -1), 1);
    repaint();
  }
  state.dragged = { clientX, clientY };
}

/** The arrow keys go from seed to seed, unless a field takes them; up and down only within the grid. */
function pressed(event) {
  const isMeant = !event.ctrlKey && !event.altKey && !event.metaKey;
  if (!isMeant || event.target.closest("input, select, summary")) return;
  const cells = [...element("grid").children];
  const inGrid = cells.includes(event.target);
  const columns = cells.filter(cell => cell.offsetTop === cells[0].offsetTop).length;
  const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -GRID, PageDown: GRID };
  if (inGrid) Object.assign(steps, { ArrowUp: -columns, ArrowDown: columns });
  if (!(event.key in steps)) return;
  event.preventDefault();
  browse(state.seed + steps[event.key]);
  if (inGrid) cells[state.seed % GRID].focus();
}

function makeGrid() {
  for (let index = 0; index < GRID; index++) {
    const cell = Object.assign(document.createElement("button"), { type: "button" });
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = facts.resolution;
    cell.append(canvas, document.createElement("span"));
    cell.addEventListener("click", () => browse(Number(cell.dataset.seed)));
    element("grid").append(cell);
  }
}

function listen(id, event, action) {
  element(id).addEventListener(event, action);
}

function listenToImage() {
  listen("image", "pointerdown", event => {
    element("image").setPointerCapture(event.pointerId);
    state.dragged = { clientX: event.clientX, clientY: event.clientY };
  });
  listen("image", "pointermove", event => {
    drag(event);
    read(event);
  });
  listen("image", "dblclick", resetWindow);
  listen("resetWindow", "click", resetWindow);
  for (const name of ["center", "width"]) {
    listen(name, "input", event => {
      state[name] = event.target.valueAsNumber;
      repaint();
    });
  }
  listen("smooth", "change", event => {
    state.smooth = event.target.checked;
    repaint();
  });
  element("masks")?.addEventListener("change", event => {
    state.masks = event.target.checked;
    repaint();
  });
  document.querySelectorAll("[name=channel]").forEach((radio, index) => {
    radio.addEventListener("change", () => {
      state.channel = index;
      resetWindow();
    });
  });
}

function listenToSeeds() {
  listen("previous", "click", () => browse(state.seed - 1));
  listen("next", "click", () => browse(state.seed + 1));
  listen("earlier", "click", () => browse(state.seed - GRID));
  listen("later", "click", () => browse(state.seed + GRID));
  listen("seed", "change", event => browse(event.target.valueAsNumber));
  document.addEventListener("keydown", pressed);
  listen("toSeed", "change", event => {
    state.toSeed = Math.min(Math.max(Math.floor(event.target.valueAsNumber) || 0, 0), LAST_SEED);
    redraw();
  });
  for (const name of ["part", "truncation"]) {
    listen(name, "input", event => {
      state[name] = event.target.valueAsNumber;
      redraw();
    });
  }
}

function listenToLabels() {
  [...(element("labels")?.children ?? [])].forEach((row, index) => {
    const label = facts.labels.labels[index];
    const [select, slider] = ["select", "input"].map(kind => row.querySelector(kind));
    select.addEventListener("change", () => {
      const values = { seed: undefined, unknown: null, set: slider?.valueAsNumber };
      ask(label.name, select.value.startsWith("=") ? select.value.slice(1) : values[select.value]);
    });
    slider?.addEventListener("input", () => ask(label.name, slider.valueAsNumber));
  });
}

function listenToFiles() {
  listen("savePng", "click", savePng);
  document.querySelectorAll("[data-nifti]").forEach((button, index) => {
    button.addEventListener("click", () => saveNifti(index));
  });
}

makeGrid();
listenToImage();
listenToSeeds();
listenToLabels();
listenToFiles();
redraw();
