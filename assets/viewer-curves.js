// The curves of every scale over the steps, with the cursor of the scrubber. Part of viewer.js, whose names it uses.

const sizesShown = () => (run ? run.scales : props.scales.map(String)).filter((s) => root.dataset.coarse === "true" || shown.includes(Number(s)));
// The first change is a jump from plain grey: it would flatten the rest of the curve.
const valuesOf = (size, of = run) => (of ? of.frames.map((frame, i) => (measure === "change" && !i ? null : (frame?.measures[measure]?.[size] ?? null))) : []);

function drawCurves() {
  lines.replaceChildren();
  const sizes = sizesShown(), drawn = comparing() ? [pinned, run] : [run];
  const all = sizes.flatMap((size) => drawn.flatMap((one) => valuesOf(size, one))).filter((value) => value != null);
  let low = Math.min(...all), high = Math.max(...all);
  if (measure === "change" || measure === "detail") low = 0;
  if (!all.length) low = high = 0;
  if (high - low < 1e-6) high = low + 1;
  const place = (index, value, of = run) => [(1000 * index) / Math.max((of?.total ?? 1) - 1, 1), 95 - (90 * (value - low)) / (high - low)];
  const grid = (y, dashed) => line(0, y, 1000, y, dashed ? "grid dashed" : "grid");
  grid(5); grid(50); grid(95);
  if (measure === "logsnr" && low < 0 && high > 0) grid(place(0, 0)[1], true);
  for (const one of drawn)
    for (const size of sizes) {
      const path = document.createElementNS(SVG, "polyline");
      path.setAttribute("class", one === pinned && one !== run ? "curve pinned-curve" : "curve");
      path.setAttribute("stroke", colours[size]);
      path.setAttribute("points", valuesOf(size, one).map((v, i) => (v == null ? "" : place(i, v, one).map((n) => n.toFixed(1)).join(","))).filter(Boolean).join(" "));
      lines.append(path);
    }
  const label = (value) => (all.length ? (measure === "change" || measure === "detail" ? value.toFixed(3) : number(value, 1)) + UNIT[measure] : "");
  find(".axis.top").textContent = label(high);
  find(".axis.bottom").textContent = label(low);
  find(".explain").textContent = EXPLAIN[measure];
  lines.setAttribute("aria-label", EXPLAIN[measure]);
  root.dataset.measure = measure;
  drawCursor();
}

function line(x1, y1, x2, y2, className) {
  const node = document.createElementNS(SVG, "line");
  for (const [name, value] of Object.entries({ x1, y1, x2, y2, class: className })) node.setAttribute(name, value);
  lines.append(node);
  return node;
}

function drawCursor() {
  lines.querySelector(".cursor")?.remove();
  const legend = find(".legend");
  legend.replaceChildren();
  for (const size of sizesShown()) {
    const item = make("span", "key"), value = run?.frames[cursor]?.measures[measure]?.[size];
    item.style.setProperty("--scale", colours[size]);
    const digits = measure === "change" || measure === "detail" ? 3 : 1;
    item.append(make("b", "tag", size), make("span", "value", value == null ? "–" : number(value, digits) + UNIT[measure]));
    legend.append(item);
  }
  if (cursor < 0 || !run) return;
  const x = (1000 * cursor) / Math.max(run.total - 1, 1);
  line(x, 0, x, 100, "cursor");
}

