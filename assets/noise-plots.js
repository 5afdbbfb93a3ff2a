// Small plots of numbers: a histogram, a spectrum, an autocorrelation, a scatter. Part of noise-lab.js.
const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 200, HEIGHT = 60;
const TOP_POWER = 1.6; // of the spectrum's axis

function make(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text != null) made.textContent = text;
  return made;
}

function chart(label) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, v] of Object.entries({ viewBox: "0 0 " + WIDTH + " " + HEIGHT, preserveAspectRatio: "none", role: "img", "aria-label": label })) svg.setAttribute(key, v);
  return svg;
}

function stroke(svg, className, points, close = "") {
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("class", className);
  path.setAttribute("d", "M" + points.map(([x, y]) => x.toFixed(1) + " " + y.toFixed(1)).join("L") + close);
  svg.append(path);
}

// Shares per bin as steps, and those of N(0, 1) as a line over them.
function histogram(shares, normal, label) {
  const svg = chart(label), top = Math.max(...normal) * 1.7, step = WIDTH / shares.length;
  const y = (v) => Math.max(0, HEIGHT * (1 - v / top)); // a narrow histogram goes over the edge
  const steps = shares.flatMap((v, i) => [[i * step, y(v)], [(i + 1) * step, y(v)]]);
  stroke(svg, "filled", [[0, HEIGHT], ...steps, [WIDTH, HEIGHT]], "Z");
  stroke(svg, "reference", normal.map((v, i) => [(i + 0.5) * step, y(v)]));
  return svg;
}

// Mean power per ring of frequency, and white noise of unit variance as a line at 1.
function spectrum(powers, label) {
  const svg = chart(label), y = (v) => HEIGHT * (1 - Math.min(v, TOP_POWER) / TOP_POWER);
  const line = powers.map((v, i) => [(WIDTH * (i + 0.5)) / powers.length, y(v)]);
  stroke(svg, "filled", [[line[0][0], HEIGHT], ...line, [line.at(-1)[0], HEIGHT]], "Z");
  stroke(svg, "line", line);
  stroke(svg, "reference", [[0, y(1)], [WIDTH, y(1)]]);
  return svg;
}

// A pixel with its neighbours, a cell per lag: white is 1, the ground 0, warm below 0.
function autocorrelation(values, lags, label) {
  const side = 2 * lags + 1, canvas = make("canvas", "lags");
  canvas.width = canvas.height = side;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  const context = canvas.getContext("2d");
  values.forEach((v, i) => {
    const strength = Math.min(1, Math.abs(v)), mix = (a, b) => Math.round(a + (b - a) * strength);
    const [r, g, b] = v < 0 ? [255, 140, 90] : [255, 255, 255];
    context.fillStyle = "rgb(" + mix(38, r) + "," + mix(45, g) + "," + mix(58, b) + ")";
    context.fillRect(i % side, Math.floor(i / side), 1, 1);
  });
  return canvas;
}

// Coarse noise across, the finer one's view of it up; both over ±4 standard deviations of unit noise.
function scatter([across, up], colour, label) {
  const side = 220, canvas = make("canvas", "scatter");
  canvas.width = canvas.height = side;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  const context = canvas.getContext("2d"), place = (v) => (side * (100 + v)) / 200;
  context.fillStyle = "#39414f";
  context.fillRect(side / 2, 0, 1, side);
  context.fillRect(0, side / 2, side, 1);
  context.fillStyle = colour;
  context.globalAlpha = 0.65;
  across.forEach((v, i) => context.fillRect(place(v) - 1.5, place(-up[i]) - 1.5, 3, 3));
  return canvas;
}
