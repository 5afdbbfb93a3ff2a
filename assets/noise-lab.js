// Two kinds of noise beside each other: verdict, pictures, what the scales share, and their statistics. Plots are in noise-plots.js.
const root = element.querySelector(".noise-lab"), modes = root.querySelector(".modes"), zooms = root.querySelector(".zooms");
let zoom = "close";

const signed = (v, digits = 2) => (v < 0 && Number(v.toFixed(digits)) !== 0 ? "−" : "") + Math.abs(v).toFixed(digits);
const tag = (size, text = size) => {
  const made = make("b", "tag", text);
  made.style.setProperty("--scale", props.colours[size]);
  return made;
};

function picture(src, alt) {
  const image = make("img");
  image.src = src;
  image.alt = alt;
  return image;
}

function captioned(content, ...caption) {
  const figure = make("figure"), words = make("figcaption", "num");
  words.append(...caption);
  figure.append(content, words);
  return figure;
}

// ---------------------------------------------------------------- the parts of one kind of noise

function verdict(mode) {
  const part = make("header", "verdict"), name = make("h3"), say = make("p", "say", mode.say);
  part.dataset.good = String(mode.good);
  name.append(make("span", "name", mode.name), make("span", "head", mode.head));
  part.append(name, say);
  return part;
}

function pictures(mode) {
  const part = make("div", "pictures");
  for (const one of mode.scales) {
    const alt = mode.name + " noise at " + one.size + " pixels" + (zoom === "close" ? ", close up" : "");
    const image = picture(zoom === "close" ? one.close : one.whole, alt);
    image.dataset.size = one.size;
    const figure = captioned(image, tag(one.size), make("span", "", "variance " + one.variance.toFixed(2)));
    figure.dataset.off = String(Math.abs(one.variance - 1) > 0.05);
    part.append(figure);
  }
  return part;
}

function pairs(mode) {
  const part = make("div", "pairs");
  for (const pair of mode.pairs) {
    const card = make("div", "pair"), row = make("div", "pair-row"), words = make("p", "num");
    card.dataset.pair = pair.low + "-" + pair.high;
    card.dataset.shared = String(pair.r > 0.98);
    const seen = pair.high + " seen at " + pair.low, label = "r = " + signed(pair.r) + ": each dot a pixel, noise of " + pair.low + " across, " + seen + " up";
    row.append(
      captioned(picture(pair.close[0], "noise of " + pair.low), tag(pair.low)),
      captioned(picture(pair.close[1], seen), tag(pair.high), make("span", "", "at " + pair.low)),
      captioned(scatter(pair.points, props.colours[pair.high], label), make("span", "", "pixel by pixel")),
    );
    const other = pair.operator === "the sinc filter" ? ["2×2 means", pair.by_mean] : ["the sinc filter", pair.by_sinc];
    words.append(make("b", "r", "r = " + signed(pair.r, 3)), " through " + pair.operator + "; " + signed(other[1]) + " through " + other[0]);
    card.append(row, words);
    part.append(card);
  }
  return part;
}

function statistics(mode) {
  const part = make("div", "statistics");
  for (const one of mode.scales) {
    const column = make("div", "column");
    column.style.setProperty("--scale", props.colours[one.size]);
    const where = " at " + one.size + " pixels", low = Math.min(...one.spectrum), high = Math.max(...one.spectrum);
    const lags = autocorrelation(one.autocorrelation, mode.lags, "Autocorrelation up to " + mode.lags + " pixels" + where);
    column.append(
      tag(one.size),
      captioned(histogram(one.histogram, mode.normal, "Histogram" + where + " against N(0, 1)"), "mean " + signed(one.mean) + " · var " + one.variance.toFixed(2)),
      captioned(spectrum(one.spectrum, "Power by frequency" + where), "power " + low.toFixed(2) + " – " + high.toFixed(2)),
      captioned(lags, "neighbours ≤ " + Math.abs(one.neighbour).toFixed(3)),
    );
    part.append(column);
  }
  return part;
}

function titled(text, hint, content) {
  const part = make("div", "part"), head = make("h4", "", text);
  head.append(make("span", "", hint));
  part.append(head, content);
  return part;
}

function draw(value) {
  if (!value || !value.modes) return;
  modes.replaceChildren();
  for (const mode of value.modes) {
    const column = make("article", "mode");
    column.dataset.mode = mode.mode;
    const lags = mode.lags;
    column.append(
      verdict(mode),
      titled("The noise of every scale", zoom === "close" ? "the same place, an eighth of a side" : "all of it, at one size", pictures(mode)),
      ...(mode.pairs.length ? [titled("What a scale sees of the next finer noise", "brought down to its size: the same picture, if it is shared", pairs(mode))] : []),
      titled("Is it N(0, 1), and is it white?", "values against N(0, 1) · power by frequency, flat is white · correlation with pixels up to " + lags + " away", statistics(mode)),
    );
    modes.append(column);
  }
  root.dataset.modes = value.modes.map((mode) => mode.mode).join(" ");
  root.dataset.ready = "true";
}

zooms.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  zoom = root.dataset.zoom = button.dataset.zoom;
  for (const one of zooms.children) one.setAttribute("aria-pressed", String(one === button));
  draw(props.value);
});
watch("value", () => draw(props.value));
draw(props.value);
