// The network, drawn from its config: the way down on the left, the way up on the right, finest level at the top.
const root = element.querySelector(".network"), plan = root.querySelector(".plan"), svg = plan.querySelector("svg");
const about = root.querySelector(".about");
const SVG = "http://www.w3.org/2000/svg";
const NARROW = 760; // px; below it all rows begin at the same column, as a staircase would not fit
let value = null, told = "", width = 0, places = [], current = "";

function make(name, attributes, parent, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, v] of Object.entries(attributes)) node.setAttribute(key, v);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

// ------------------------------------------------------------ where things are

function geometry(rows, wide, across) {
  const columns = wide ? 2 * rows.length + 7 : 8, last = columns - 1;
  const pitch = Math.min(across / columns, 104), w = Math.min(pitch - (wide ? 14 : 5), 76), h = 40;
  const left = (across - pitch * columns) / 2, head = wide ? 0 : 24, gap = 46;
  const x = (column) => left + (column + 0.5) * pitch;
  const columnsOf = (r) => wide
    ? { z: 0, input: 1 + r, down: 2 + r, fuse: last - 3 - r, up: last - 2 - r, output: last - 1 - r, x0: last }
    : { z: 0, input: 1, down: 2, skip: 3, fuse: 4, up: 5, output: 6, x0: 7 };
  return { wide, pitch, w, h, gap, head, last, x, columnsOf, y: (r) => 12 + head + r * (h + head + gap) + h / 2 };
}

// ------------------------------------------------------------ drawing

function draw() {
  if (!value?.rows?.length || !width) return;
  const rows = value.rows, g = geometry(rows, width >= NARROW, width), bottom = g.y(rows.length) + 62;
  const focused = document.activeElement?.closest?.("[data-part]")?.dataset.part;
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${bottom}`);
  svg.style.height = bottom + "px";
  const wires = make("g", { "aria-hidden": "true" }, svg);
  const tip = make("marker", { id: "network-tip", viewBox: "0 0 6 6", refX: 5, refY: 3, markerWidth: 6, markerHeight: 6, markerUnits: "userSpaceOnUse", orient: "auto" }, wires);
  make("path", { class: "tip", d: "M0 0L6 3L0 6Z" }, tip);
  places = [];
  rows.forEach((row, r) => drawRow(g, row, r, wires));
  drawTrunk(g, wires);
  const first = places.find((p) => p.name === current) ?? places[0];
  reach(first.node);
  if (focused) places.find((p) => p.name === focused)?.node.focus({ preventScroll: true });
  mark();
}

function drawRow(g, row, r, wires) {
  const { x, y, w, h, gap } = g, columns = g.columnsOf(r), nodes = row.nodes, at = y(r), name = row.name || "under " + r;
  const next = g.columnsOf(r + 1), lastRow = r + 1 === value.rows.length;
  const box = (kind, column, extra) => nodes[kind] && place(g, `${name} ${kind}`, nodes[kind], row.colour, x(column), at, w, h, extra);
  const wire = (d, kind = "") => make("path", { class: "wire " + kind, d, style: `--scale: ${row.colour}` }, wires);
  const across = (from, to, kind) => wire(`M${x(from) + w / 2} ${at}H${x(to) - w / 2 - 1}`, kind);

  if (nodes.z) across(columns.z, columns.input, "arrow");
  if (nodes.down) across(columns.input, columns.down, "arrow");
  across(nodes.down ? columns.down : columns.input, columns.fuse, "arrow own");
  across(columns.fuse, columns.up, "arrow");
  if (nodes.output) { across(columns.up, columns.output, "arrow"); across(columns.output, columns.x0, "arrow own"); }

  // Between this row and the one below: up through the enlargement; down, or not.
  const top = at + h / 2, middle = top + gap / 2, below = y(r + 1) - h / 2;
  const source = lastRow ? columns.fuse : next.up, pill = g.wide ? w * 0.62 : 32;
  wire(source === columns.fuse ? `M${x(source)} ${below}V${top + 1}` : `M${x(source)} ${below}V${middle}H${x(columns.fuse)}V${top + 1}`, "arrow");
  place(g, `${name} upsample`, nodes.upsample, row.colour, x(columns.fuse), middle, pill, 18, "pill");
  if (nodes.isolated) {
    wire(`M${x(columns.down)} ${nodes.down ? top : at}V${middle - 9}M${x(columns.down) - 9} ${middle - 8}h18`, "stop");
    place(g, `${name} isolated`, nodes.isolated, row.colour, x(columns.down), middle + 3, g.wide ? Math.min(w, 58) : 42, 18, "bar");
  } else {
    const target = lastRow ? columns.down : next.input;
    wire(target === columns.down ? `M${x(target)} ${top}V${below - 1}` : `M${x(columns.down)} ${top}V${middle}H${x(target)}V${below - 1}`, "arrow");
  }
  if (nodes.inward) place(g, `${name} inward`, nodes.inward, row.colour, x(columns.down), middle, pill, 18, "pill");
  if (row.mean) wire(`M${x(columns.x0)} ${below}V${top + 1}`, "arrow dashed");
  if (row.detail) {
    wire(`M${x(columns.input)} ${middle + 4}V${top + 1}`, "arrow dashed");
    make("text", { class: "small", x: x(columns.input), y: middle + 16 }, wires, "x̂ " + value.rows[r + 1].name);
  }
  box("z", columns.z, "picture");
  if (nodes.condition) place(g, `${name} condition`, nodes.condition, row.colour, x(columns.z), middle, g.wide ? w * 0.62 : 32, 18, "pill");
  box("input", columns.input); box("down", columns.down);
  const [from, to] = [x(columns.down) + w / 2, x(columns.fuse) - w / 2];
  place(g, `${name} skip`, nodes.skip, row.colour, g.wide ? (from + to) / 2 : x(columns.skip), at, 34, 18, "pill");
  box("fuse", columns.fuse); box("up", columns.up); box("output", columns.output); box("x0", columns.x0, "picture");
  title(g, row, r, from, to, wires);
}

// The row's size in its colour, its width and grid.
function title(g, row, r, from, to, wires) {
  const room = g.wide ? to - from - 12 : width / 2, note = room > 250 ? row.note : row.short, size = row.name;
  const tag = size ? 12 + 7.2 * size.length : 0, long = tag + 8 + note.length * 6.1;
  const start = g.wide ? (from + to - Math.min(long, room)) / 2 : g.x(0) - g.w / 2, at = g.y(r) - (g.wide ? 20 : g.h / 2 + 13);
  if (size) {
    make("rect", { x: start, y: at - 9, width: tag, height: 17, rx: 4, fill: row.colour }, wires);
    make("text", { class: "tag-text", x: start + tag / 2, y: at }, wires, size);
  }
  make("text", { class: "note num", x: start + tag + (tag ? 7 : 0), y: at }, wires, note);
}

function drawTrunk(g, wires) {
  const { x, y, w, h } = g, r = value.rows.length, at = y(r), columns = g.columnsOf(r - 1), { nodes, colour } = value.trunk;
  const from = x(columns.down) + w / 2 + 14, to = g.wide ? x(columns.fuse) + w / 2 : x(columns.up) + w / 2, centre = (from + to) / 2;
  const wire = (d, kind) => make("path", { class: "wire " + kind, d, style: `--scale: ${colour}` }, wires);
  wire(`M${x(columns.down) + w / 2} ${at}H${from - 1}`, "arrow");
  wire(`M${centre} ${at + h / 2 + 20}V${at + h / 2 + 1}`, "arrow");
  place(g, "trunk_input", nodes.trunk_input, colour, x(columns.down), at, w, h);
  place(g, "trunk", nodes.trunk, colour, centre, at, to - from, h, "trunk");
  place(g, "prompt", nodes.prompt, colour, centre, at + h / 2 + 30, 62, 18, "pill");
}

// One part: a box with its name, which says more when it is pointed at.
function place(g, name, part, colour, cx, cy, w, h, kind = "") {
  const node = make("g", { class: "part " + kind, role: "button", "aria-label": part.title, "data-part": name, style: `--scale: ${colour}` }, svg);
  make("rect", { x: cx - w / 2, y: cy - h / 2, width: w, height: h, rx: kind === "pill" ? h / 2 : kind === "bar" ? 3 : 6 }, node);
  const two = h > 30 && part.small && w > 30;
  make("text", { x: cx, y: cy - (two ? 7 : 0) }, node, part.label);
  if (two) make("text", { class: part.small.length * 5.4 > w - 4 ? "small tight" : "small", x: cx, y: cy + 9 }, node, part.small);
  places.push({ name, node, part, colour, x: cx, y: cy });
  const show = () => tell(name);
  node.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && show());
  node.addEventListener("focus", () => { reach(node); show(); });
  node.addEventListener("click", () => { node.focus({ preventScroll: true }); show(); });
}

// ------------------------------------------------------------ explaining

function tell(name) {
  const found = places.find((place) => place.name === name);
  if (!found) return;
  current = name;
  const { part, colour } = found, facts = about.querySelector("dl");
  about.style.setProperty("--scale", colour);
  about.dataset.shown = name;
  about.querySelector("h3").textContent = part.title;
  about.querySelector(".what").textContent = part.say;
  about.querySelector(".source").textContent = part.section;
  facts.replaceChildren(...part.facts.flatMap(([what, how]) => {
    const term = document.createElement("dt"), fact = document.createElement("dd");
    term.textContent = what; fact.textContent = how;
    return [term, fact];
  }));
  mark();
}

function mark() {
  for (const place of places) place.node.classList.toggle("shown", place.name === current);
}

// One stop for the Tab key: the part that was looked at last.
function reach(node) {
  for (const place of places) place.node.setAttribute("tabindex", place.node === node ? "0" : "-1");
}

const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
svg.addEventListener("keydown", (event) => {
  const here = places.find((place) => place.node === event.target), way = WAYS[event.key];
  if (!here || !way) return;
  event.preventDefault();
  const [dx, dy] = way;
  let best = null, least = Infinity;
  for (const place of places) {
    const along = (place.x - here.x) * dx + (place.y - here.y) * dy, aside = Math.abs((place.x - here.x) * dy) + Math.abs((place.y - here.y) * dx);
    if (along > 1 && along + 3 * aside < least) [best, least] = [place, along + 3 * aside];
  }
  best?.node.focus();
});

// ------------------------------------------------------------ the value

function take(given) {
  const text = JSON.stringify(given ?? null);
  if (!given || !given.rows || text === told) return;
  told = text; value = given; current = "";
  root.querySelector("h2").textContent = given.name || "The network";
  root.querySelector(".sum").textContent = given.facts || "";
  root.querySelector(".say").textContent = given.say;
  root.dataset.layered = String(Boolean(given.layered));
  root.dataset.ready = given.rows.length ? "true" : "nothing";
  if (!given.rows.length) return;
  about.querySelector("h3").textContent = "Its parts";
  about.querySelector(".what").textContent = "Point at a part, tap it, or walk with the arrow keys: what it is, its shape, what it costs and where it comes from.";
  draw();
}

new ResizeObserver(() => {
  const now = Math.floor(plan.clientWidth - parseFloat(getComputedStyle(plan).paddingLeft) * 2);
  if (now > 0 && now !== width) { width = now; draw(); }
}).observe(plan);
watch("value", () => take(props.value));
take(props.value);
