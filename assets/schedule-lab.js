// The schedule as large curves: drawn from the server's λ, drawn up and down by hand. rho.js and controls.js come before it.
const root = element.querySelector(".schedule-lab");
const find = (selector) => root.querySelector(selector);
const plot = find(".plot"), svg = find(".lines"), marks = find(".marks"), legend = find(".legend");
const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 1000, HEIGHT = 300, EDGE = 12;
const LOWEST = 1e-4; // of α² and σ² when a curve is drawn by hand: the logarithm of 0 is nowhere
const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const logit = (p) => Math.log(p / (1 - p));
const square = (v) => Math.min(1 - LOWEST, Math.max(LOWEST, v * v));
// Ranges stand still, so that nothing moves under the hand: the middle of every line fits, whatever its shift.
const VIEWS = {
  logsnr: { of: (l) => l, back: (v) => v, range: [-14, 10], hint: "Where a line crosses λ = 0, signal and noise of that scale are equally strong: its picture becomes readable about there." },
  alpha: { of: (l) => Math.sqrt(sigmoid(l)), back: (v) => logit(square(v)), range: [0, 1], hint: "α: how much of the picture is in z = α x + σ ε. It meets σ at 0.71, marked on each line." },
  sigma: { of: (l) => Math.sqrt(sigmoid(-l)), back: (v) => -logit(square(v)), range: [0, 1], hint: "σ: how strong the noise in z = α x + σ ε is. It meets α at 0.71, marked on each line." },
};
let value = null, view = "logsnr", bounds = VIEWS.logsnr.range, drag = null;

// ---------------------------------------------------------------- places

const x = (t) => WIDTH * t;
const y = (v) => HEIGHT - EDGE - ((HEIGHT - 2 * EDGE) * (v - bounds[0])) / (bounds[1] - bounds[0]);
const fromY = (at) => bounds[0] + ((HEIGHT - EDGE - at) * (bounds[1] - bounds[0])) / (HEIGHT - 2 * EDGE);
const percent = (v, of) => (100 * v) / of + "%";

function at(size, t) { // λ between two of the server's points
  const times = value.t, values = value.curves[size];
  const i = Math.min(times.length - 2, Math.max(0, times.findIndex((one) => one > t) - 1));
  const part = Math.min(1, Math.max(0, (t - times[i]) / (times[i + 1] - times[i])));
  return values[i] + part * (values[i + 1] - values[i]);
}

// ---------------------------------------------------------------- drawing

function node(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, v] of Object.entries(attributes)) made.setAttribute(key, v);
  svg.append(made);
  return made;
}

function draw() {
  if (!value) return;
  const { of, hint } = VIEWS[view], sizes = Object.keys(value.curves);
  svg.replaceChildren();
  const level = view === "logsnr" ? 0 : Math.SQRT1_2;
  for (let t = 0; t <= 1.001; t += 0.25) node("line", { x1: x(t), x2: x(t), y1: 0, y2: HEIGHT, class: "grid" });
  node("line", { x1: 0, x2: WIDTH, y1: y(level), y2: y(level), class: "grid dashed" });
  for (const size of sizes) {
    const points = value.t.map((t, i) => x(t).toFixed(1) + "," + y(of(value.curves[size][i])).toFixed(1)).join(" ");
    const movable = props.shown.includes(Number(size));
    node("polyline", { class: movable ? "curve" : "curve faint", stroke: props.colours[size], points });
    if (movable) node("polyline", { class: "grip", "data-size": size, points }).append(title("Draw the curve of " + size + " up or down: δ follows"));
  }
  node("line", { x1: x(value.now), x2: x(value.now), y1: 0, y2: HEIGHT, class: "cursor" });
  svg.setAttribute("aria-label", hint);
  find(".hint").textContent = hint + " Draw a line up or down to change its δ; click beside the lines to move t.";
  find(".axis.top").textContent = view === "logsnr" ? "λ " + whole(bounds[1]) : "1";
  find(".axis.bottom").textContent = view === "logsnr" ? "λ " + whole(bounds[0]) : "0";
  find(".axis.zero").textContent = view === "logsnr" ? "0" : "0.71";
  for (const [name, v] of [["top", bounds[1]], ["zero", level], ["bottom", bounds[0]]]) find(".axis." + name).style.top = percent(y(v), HEIGHT);
  drawMarks(level);
  drawLegend(of);
}

function title(text) {
  const made = document.createElementNS(SVG, "title");
  made.textContent = text;
  return made;
}

function drawMarks(level) { // dots of HTML: the plot is stretched, and would make ellipses of circles
  marks.replaceChildren();
  for (const size of props.shown) {
    const t = value.crossings[size];
    if (t == null) continue;
    const dot = document.createElement("span");
    dot.className = "crossing";
    dot.dataset.size = size;
    dot.style.cssText = "left:" + percent(t, 1) + ";top:" + percent(y(level), HEIGHT);
    dot.style.setProperty("--scale", props.colours[size]);
    marks.append(dot);
  }
}

function drawLegend(of) {
  legend.replaceChildren();
  for (const size of props.shown) {
    const key = document.createElement("span"), tag = document.createElement("b"), text = document.createElement("span");
    key.className = "key";
    key.style.setProperty("--scale", props.colours[size]);
    tag.className = "tag";
    tag.textContent = size;
    const t = value.crossings[size], moved = value.moving ? " → " + signed(value.ends[size]) : "";
    text.className = "value";
    text.textContent = "δ " + signed(value.shifts[size]) + moved + (t == null ? "" : " · λ = 0 at t " + t.toFixed(2));
    key.append(tag, text);
    legend.append(key);
  }
}

const whole = (v) => (v < 0 ? "−" : "") + Math.abs(v);
const signed = (v) => (v < 0 ? "−" : "") + Math.abs(v).toFixed(2);

// ---------------------------------------------------------------- by hand

const place = (event) => {
  const box = svg.getBoundingClientRect();
  return [Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)), ((event.clientY - box.top) / box.height) * HEIGHT];
};

function begin(event) {
  if (!value || event.button) return;
  const [t, height] = place(event), size = event.target.dataset?.size;
  plot.setPointerCapture(event.pointerId);
  if (!size) drag = { time: true };
  else {
    const end = value.moving && t > 0.5; // the half that is drawn says which end moves
    const weight = value.moving ? (end ? t : 1 - t) : 1;
    drag = { size, end, weight, t, from: at(size, t), height, curve: value.curves[size], shift: (end ? value.ends : value.shifts)[size] };
    event.preventDefault();
  }
  root.dataset.dragging = size ? "curve" : "time";
  move(event);
}

function move(event) {
  if (!drag) return;
  const [t, height] = place(event);
  if (drag.time) return typeNumber(props.prefix + "t", Math.round(100 * t) / 100);
  if (Math.abs(height - drag.height) < 1) return;
  const { back, of } = VIEWS[view];
  const wanted = drag.shift + (back(fromY(y(of(drag.from)) + height - drag.height)) - drag.from) / drag.weight;
  const shift = Math.round(100 * Math.min(value.range[1], Math.max(value.range[0], wanted))) / 100;
  const change = shift - drag.shift;
  const share = (time) => (value.moving ? (drag.end ? time : 1 - time) : 1);
  value.curves[drag.size] = drag.curve.map((v, i) => v + change * share(value.t[i])); // at once; the server confirms it
  draw();
  typeNumber(props.prefix + (drag.end ? "end-" : "shift-") + drag.size, shift);
}

function stop() {
  drag = null;
  delete root.dataset.dragging;
  draw();
}

plot.addEventListener("pointerdown", begin);
plot.addEventListener("pointermove", move);
for (const name of ["pointerup", "pointercancel"]) plot.addEventListener(name, stop);
find(".quantities").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  view = root.dataset.view = button.dataset.view;
  bounds = VIEWS[view].range;
  for (const one of find(".quantities").children) one.setAttribute("aria-pressed", String(one === button));
  draw();
});

// ---------------------------------------------------------------- values from the server

function take(next) {
  if (!next) return;
  const say = find(".explain");
  root.dataset.refused = String(Boolean(next.refused));
  if (next.refused) return void (say.textContent = next.refused);
  if (!next.t) return;
  const held = drag?.size && { [drag.size]: value.curves[drag.size] }; // the answer may be to an earlier place of the hand
  value = { ...next, curves: { ...next.curves, ...held } };
  drawRho(find(".rho"), value.rho);
  say.textContent = value.say + (value.moving ? " Here ρ is that of t = " + value.now.toFixed(2) + ": it moves with the shifts." : "");
  root.dataset.ready = "true";
  root.dataset.t = value.now;
  root.dataset.shifts = props.shown.map((size) => value.shifts[size]).join(" ");
  draw();
}

watch("value", () => take(props.value));
take(props.value);
