// The schedule's curves and its leak meter: numbers from the server, drawn here.
const root = element.querySelector(".schedule");
const svg = root.querySelector("svg"), chips = root.querySelector(".rho"), say = root.querySelector(".explain");
const SVG = "http://www.w3.org/2000/svg";

function draw(value) {
  if (!value || !value.x) return;
  svg.replaceChildren();
  const all = Object.values(value.curves).flat(), low = Math.min(...all), high = Math.max(...all);
  const y = (v) => 97 - (94 * (v - low)) / Math.max(high - low, 1e-6);
  const node = (name, attributes) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, v] of Object.entries(attributes)) made.setAttribute(key, v);
    svg.append(made);
  };
  if (low < 0 && high > 0) node("line", { x1: 0, x2: 300, y1: y(0), y2: y(0), class: "grid dashed" });
  for (const [size, values] of Object.entries(value.curves))
    node("polyline", { class: "curve", stroke: props.colours[size], points: values.map((v, i) => (300 * value.x[i]).toFixed(1) + "," + y(v).toFixed(1)).join(" ") });
  drawRho(chips, value.rho);
  say.textContent = value.say;
  root.dataset.ready = "true";
}

watch("value", () => draw(props.value));
draw(props.value);
