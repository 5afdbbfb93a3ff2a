// The panels: one figure per scale, and what it shows of a step. Part of viewer.js, whose names it uses.

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function buildPanels(scales) {
  panels.replaceChildren();
  figures.clear();
  for (const size of scales) {
    const figure = make("figure", "panel");
    figure.dataset.scale = size;
    figure.dataset.coarse = String(!shown.includes(Number(size)));
    figure.style.setProperty("--scale", colours[size]);
    figure.style.setProperty("--n", size);
    const frame = make("button", "frame");
    frame.type = "button";
    frame.setAttribute("aria-expanded", "false");
    frame.title = "Enlarge " + size;
    const image = make("img", "picture");
    image.decoding = "sync";
    image.alt = size + " px: nothing yet";
    image.draggable = false;
    const difference = make("canvas", "difference");
    difference.width = difference.height = Number(size);
    difference.setAttribute("aria-hidden", "true");
    const other = make("img", "pinned");
    other.alt = size + " px of run A";
    other.draggable = false;
    frame.append(make("span", "ghost", size), image, other, difference);
    frame.addEventListener("click", () => enlarge(size));
    const caption = make("figcaption");
    const tag = make("b", "tag", size);
    tag.title = size + " × " + size + " pixels";
    const facts = {};
    caption.append(tag);
    for (const [name, title] of [["logsnr", "log signal-to-noise ratio before this step"], ["change", CHANGE], ["agreement", "agreement with the scale below"]]) {
      facts[name] = make("span", "num " + name);
      facts[name].title = title;
      caption.append(facts[name]);
    }
    figure.append(frame, caption);
    panels.append(figure);
    figures.set(size, { figure, frame, image, pinned: other, difference, facts });
  }
}

function enlarge(size) {
  for (const [name, item] of figures) {
    const large = name === size && !item.figure.classList.contains("large");
    item.figure.classList.toggle("large", large);
    item.frame.setAttribute("aria-expanded", String(large));
    item.frame.title = (large ? "Back to equal size: " : "Enlarge ") + name;
  }
  root.dataset.large = String([...figures.values()].some((item) => item.figure.classList.contains("large")));
}

function number(value, digits) {
  return value.toFixed(digits).replace("-", "−");
}

function captions(size, frame) {
  const { facts } = figures.get(size), value = (name) => frame?.measures[name]?.[size];
  facts.logsnr.textContent = value("logsnr") == null ? "" : "λ " + number(value("logsnr"), 1);
  facts.change.textContent = value("change") == null ? "" : "Δ " + value("change").toFixed(3);
  const waits = frame?.pending.includes(Number(size));
  if (frame && !frame.x0[size]) facts.change.textContent = waits ? "not yet" : "asleep";
  facts.change.title = waits ? PENDING : frame && !frame.x0[size] ? ASLEEP : CHANGE;
  facts.agreement.textContent = value("agreement") == null ? "" : number(value("agreement"), 1) + " dB";
}

const awake = (frame) => Object.keys(frame.x0).reduce((a, b) => (Number(b) > Number(a) ? b : a)); // the finest computed
const prediction = (frame, size) => frame.x0[size] ?? frame.x0[awake(frame)]; // a scale that sleeps shows the one below

// Coarse first, while it runs: the newest step of the scales that grow, beside the finished pictures of those that do not.
function beside(frame) {
  const end = run.frames.findLast(Boolean);
  if (state !== "running" || !follow || view !== "x0" || frame.pending.length || !end?.pending.length) return frame;
  const done = Object.keys(end.x0), measures = {};
  for (const [name, values] of Object.entries(frame.measures)) {
    measures[name] = { ...values };
    for (const size of done) measures[name][size] = end.measures[name][size];
  }
  return { ...frame, x0: { ...frame.x0, ...end.x0 }, measures };
}

function show(index) {
  const frame = run?.frames[index];
  if (!frame) return;
  cursor = index;
  const kind = view === "z" ? "z" : "x0", seen = beside(frame);
  for (const [size, item] of figures) {
    const url = kind === "z" ? frame.z?.[size] : prediction(seen, size);
    item.figure.dataset.asleep = String(kind === "x0" && !seen.x0[size]);
    if (url && item.image.src !== url) item.image.src = url;
    if (!url && frame.z) item.image.removeAttribute("src"); // this scale has no state yet
    item.image.alt = size + " px " + VIEWS[view] + ", step " + (index + 1);
    if (comparing()) showPinned(item, size, index);
    captions(size, seen);
  }
  scrub.value = index;
  scrub.setAttribute("aria-valuetext", "step " + (index + 1) + " of " + run.total);
  fillScrub();
  root.dataset.step = index;
  root.dataset.shows = frame[kind] ? view : "x0";
  status();
  drawCursor();
  if (view === "change" || view === "added" || (view === "versus" && comparing())) drawDifferences(frame, run.frames[index - 1]);
  if (!frame[kind]) loadStates();
}

function fillScrub() {
  const last = Math.max(Number(scrub.max), 1);
  scrub.style.setProperty("--done", (100 * Number(scrub.value)) / last + "%");
}


// ---------------------------------------------------------------- differences, worked out in the page

const decoded = new Map(); // the last pictures, by data URL

function picture(url) {
  if (!decoded.has(url)) {
    const image = new Image();
    image.src = url;
    decoded.set(url, image.decode().then(() => image));
    if (decoded.size > 4 * figures.size) decoded.delete(decoded.keys().next().value);
  }
  return decoded.get(url);
}

function pixels(image, size) {
  const canvas = new OffscreenCanvas(size, size), context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0, size, size);
  return context.getImageData(0, 0, size, size);
}

// What a scale is compared with: its own prediction one step before, or in run A, or that of the next coarser scale.
function compared(frame, before, size) {
  if (view === "change") return before && prediction(before, size);
  if (view === "versus") return matching(cursor) && prediction(matching(cursor), size);
  const coarser = Math.max(...Object.keys(frame.measures.logsnr).filter((other) => Number(other) < Number(size)));
  return Number.isFinite(coarser) ? prediction(frame, String(coarser)) : undefined;
}

async function drawDifferences(frame, before) {
  const wanted = [frame, view];
  for (const [size, item] of figures) {
    const other = compared(frame, before, size);
    const [own, base] = await Promise.all([picture(prediction(frame, size)), other && picture(other)]);
    if (run?.frames[cursor] !== wanted[0] || view !== wanted[1]) return;
    const here = pixels(own, Number(size)), there = base && pixels(base, Number(size)).data;
    const gain = there || view === "change" ? GAIN : 1; // the coarsest scale adds the whole picture
    for (let i = 0; i < here.data.length; i++)
      if (i % 4 !== 3) here.data[i] = 128 + gain * (here.data[i] - (there ? there[i] : 128));
    item.difference.getContext("2d").putImageData(here, 0, 0);
  }
  root.dataset.drawn = wanted[1] + cursor;
}

// ---------------------------------------------------------------- the loupe: the same spot in every panel

function point(event) {
  const frame = find(".loupe").checked && event.target.closest?.(".frame");
  root.dataset.loupe = String(Boolean(frame));
  if (!frame) return;
  const box = frame.getBoundingClientRect();
  root.style.setProperty("--u", (100 * (event.clientX - box.left)) / box.width + "%");
  root.style.setProperty("--v", (100 * (event.clientY - box.top)) / box.height + "%");
}
