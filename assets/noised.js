// A picture under noise: a row per kind of noise, a column per scale. Figures are kept, so that nothing blinks while t moves.
const root = element.querySelector(".noised"), rows = root.querySelector(".rows"), say = root.querySelector(".explain");
let built = "";

function make(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text != null) made.textContent = text;
  return made;
}

const signed = (v) => (v < 0 ? "−" : "") + Math.abs(v).toFixed(2);

function build(value) {
  rows.replaceChildren();
  rows.dataset.count = value.rows.length;
  for (const row of value.rows) {
    const line = make("div", "row");
    if (value.rows.length > 1) line.append(make("h3", "", row.name));
    const figures = make("div", "figures");
    for (const { size } of row.scales) {
      const figure = make("figure", ""), caption = make("figcaption", "num");
      figure.dataset.size = size;
      figure.style.setProperty("--scale", props.colours[size]);
      caption.append(make("b", "tag", size), make("span", "clear"), make("span", "numbers"), make("span", "numbers rest"));
      figure.append(make("img"), caption);
      figures.append(figure);
    }
    line.append(figures);
    rows.append(line);
  }
}

function draw(value) {
  if (!value || !value.rows) return;
  const shape = value.rows.map((row) => row.name + row.scales.map((one) => one.size)).join();
  if (shape !== built) build(value);
  built = shape;
  value.rows.forEach((row, i) => row.scales.forEach((one, j) => {
    const figure = rows.children[i].querySelectorAll("figure")[j], image = figure.querySelector("img");
    image.src = one.src;
    image.alt = value.caption + ", at " + one.size + " pixels under " + row.name + " noise, t " + value.t.toFixed(2);
    figure.dataset.clear = String(one.clear != null && value.t <= one.clear);
    figure.querySelector(".clear").textContent = one.logsnr >= 0 ? "signal leads" : "noise leads";
    const [first, rest] = figure.querySelectorAll(".numbers");
    first.textContent = "λ " + signed(one.logsnr);
    rest.textContent = "α " + one.alpha.toFixed(2) + " · σ " + one.sigma.toFixed(2);
  }));
  say.textContent = "«" + value.caption + "», t = " + value.t.toFixed(2) + ". z is shown divided by α + 2σ, so that its noise fits the range.";
  root.dataset.t = value.t;
  root.dataset.picture = value.picture;
  root.dataset.ready = "true";
}

watch("value", () => draw(props.value));
draw(props.value);
