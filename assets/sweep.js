// The sweep's sheet: receives one small value per step, keeps the finished cells in the page, and shows what each of them measures.
// Gradio gives element, trigger, props, server, upload, watch. Text arrives as data and is only ever set as textContent.
const root = element.querySelector(".sweep"), find = (selector) => root.querySelector(selector);
const table = find(".sheet"), colours = props.colours;
const CHUNK = 8; // cells fetched at once
const SETTLE_MS = 100; // a cancelled run's .then and .failure come together, in either order: both before the next run
const UNIT = { difference: "", detail: "", agreement: " dB", seconds: " s" };

let sheet = null; // labels, size, and per cell steps, seed and query
let id = "", cells = [], state = "idle", elapsed = 0, mark = "none", looked = -1, opened = -1, forming = -1;
let first = false; // whether a finger is on a cell that was not looked at: it looks, and the next opens
let inFlight = false, wanted = false; // whether gradio is busy with a sweep, and whether another is wanted after it
let cancelled = false; // whether this sweep was stopped: a first value that was on its way then begins nothing

const make = (name, kind, text) => {
  const node = document.createElement(name);
  if (kind) node.className = kind;
  if (text !== undefined) { node.textContent = text; node.dir = "auto"; }
  return node;
};
const busy = () => state === "running" || state === "waiting";
const made = () => cells.filter(Boolean).length;
const width = () => sheet.columns.values.length;
const total = () => sheet?.steps.length ?? 0;
const button = (index) => table.querySelector(`[data-cell="${index}"]`);
const time = (value) => (value < 99.5 ? value.toFixed(1) + " s" : Math.round(value / 60) + " min");

// ---------------------------------------------------------------- the empty grid

function build(next) {
  sheet = next;
  cells = [];
  looked = opened = forming = -1;
  const rows = sheet.rows?.values ?? [null], head = make("tr"), names = make("tr");
  const corner = make("th", "corner", sheet.rows?.label ?? "");
  corner.rowSpan = 2;
  const across = make("th", "across", sheet.columns.label);
  across.colSpan = width();
  across.scope = "colgroup";
  head.append(...(sheet.rows ? [corner] : []), across);
  for (const value of sheet.columns.values) {
    const label = make("th", "label", value);
    label.scope = "col";
    label.title = value;
    names.append(label);
  }
  const body = rows.map((value, row) => {
    const line = make("tr");
    if (sheet.rows) {
      const label = make("th", "label", value);
      label.scope = "row";
      label.title = value;
      line.append(label);
    }
    sheet.columns.values.forEach((_, column) => line.append(hole(row * width() + column)));
    return line;
  });
  table.tHead.replaceChildren(head, names);
  table.tBodies[0].replaceChildren(...body);
  root.style.setProperty("--columns", width());
  root.style.setProperty("--scale", colours[sheet.size]);
  root.dataset.rows = String(Boolean(sheet.rows));
  root.dataset.total = total();
  root.dataset.made = "0";
  find(".facts").hidden = find(".open").hidden = true;
  find(".close").removeAttribute("src");
  find(".where").textContent = "";
}

function hole(index) {
  const place = make("td"), cell = make("button", "cell"), image = make("img");
  cell.type = "button";
  cell.dataset.cell = index;
  cell.dataset.state = "empty";
  cell.tabIndex = index ? -1 : 0;
  cell.setAttribute("aria-label", named(index) + ": not drawn yet");
  image.alt = named(index);
  cell.append(image, make("span", "mark num"), make("span", "meter"));
  cell.addEventListener("pointerenter", (event) => event.pointerType !== "touch" && look(index));
  cell.addEventListener("focus", () => look(index));
  cell.addEventListener("pointerdown", (event) => (first = event.pointerType === "touch" && looked !== index));
  cell.addEventListener("click", () => (first ? look(index) : open(index)));
  place.append(cell);
  return place;
}

const labels = (index) => {
  const column = [sheet.columns.label, sheet.columns.values[index % width()]];
  return sheet.rows ? [column, [sheet.rows.label, sheet.rows.values[Math.floor(index / width())]]] : [column];
};
const named = (index) => labels(index).map((pair) => pair.join(" ")).join(", ");

// ---------------------------------------------------------------- values from the server

function take(value) {
  if (!value || !value.sweep) return;
  if (value.sweep !== id) {
    if (cancelled) return;
    id = value.sweep;
    root.dataset.sweep = id;
    build(value.sheet);
    setState("running", "Started: " + total() + " pictures.");
  }
  elapsed = value.seconds;
  if (value.cell) keep(value.cell);
  if (value.live && state === "running") form(value.live);
  if (value.state === "done") fetchMissing();
  status();
}

function keep(cell) {
  cells[cell.index] = cell;
  const place = button(cell.index);
  place.querySelector("img").src = cell.picture;
  place.dataset.state = "done";
  place.setAttribute("aria-label", named(cell.index) + ": open in Explore");
  if (cell.index === forming) forming = -1;
  root.dataset.made = made();
  drawMarks();
  if (looked < 0 || looked === cell.index) look(cell.index);
}

// The picture of the cell that is being drawn, as the model sees it so far.
function form(live) {
  if (cells[live.index]) return;
  const place = button(live.index);
  place.querySelector("img").src = live.picture;
  place.dataset.state = "live";
  place.setAttribute("aria-label", named(live.index) + ": being drawn");
  forming = live.index;
  if (looked === live.index) find(".close").src = live.picture;
}

function unform() {
  const place = forming >= 0 && !cells[forming] ? button(forming) : null;
  forming = -1;
  if (!place) return;
  place.querySelector("img").removeAttribute("src");
  place.dataset.state = "empty";
  place.setAttribute("aria-label", named(Number(place.dataset.cell)) + ": not drawn");
}

// The end of a sweep. Of values that come close together gradio hands on the last: the cells that are missing are fetched.
async function fetchMissing() {
  const asked = id;
  for (;;) {
    const missing = sheet.steps.map((_, index) => index).filter((index) => !cells[index]).slice(0, CHUNK);
    const found = missing.length ? await server.cells({ sweep: asked, cells: missing }).catch(() => null) : null;
    if (id !== asked) return;
    if (!found?.length) break;
    found.forEach(keep);
  }
  if (state === "running") setState("done", "Finished.");
  status();
}

// ---------------------------------------------------------------- state

function status() {
  const line = find(".status"), count = made();
  if (state === "waiting") return void (line.textContent = "waiting for the model …");
  if (!count && state !== "running") return void (line.textContent = "");
  const parts = [count + " of " + total() + " pictures", time(elapsed)];
  const known = cells.filter(Boolean), spent = known.reduce((sum, cell) => sum + cell.seconds, 0);
  const drawn = known.reduce((sum, cell) => sum + sheet.steps[cell.index], 0), all = sheet.steps.reduce((sum, n) => sum + n, 0);
  if (state === "running" && drawn) parts.push(time(Math.max(0, (spent / drawn) * all - elapsed)) + " left");
  if (state === "stopped") parts.push("stopped");
  if (state === "error") parts.push("ended early");
  line.textContent = parts.join(" · ");
}

function setState(next, say) {
  state = next;
  root.dataset.state = next;
  if (say) find(".announce").textContent = say;
  status();
}

const resting = () => (!made() ? "idle" : made() === total() ? "done" : "stopped");

function begin() {
  inFlight = true;
  cancelled = false;
  hold.begin();
  setState("waiting", "Waiting for the model.");
}

function stop() {
  if (!busy()) return;
  cancelled = true;
  if (state === "waiting") return setState(resting(), "Cancelled.");
  unform();
  setState("stopped", "Stopped. What was drawn so far stays.");
}

function fail() {
  if (hold.holds()) return free(); // it never began
  if (!busy()) return;
  if (state === "waiting") setState(resting());
  else {
    unform();
    setState("error", "The sweep ended early.");
  }
  free();
}

// The server is done with it, and may have finished a cell more than it told of.
function free() {
  hold.end();
  inFlight = false;
  if (state === "stopped" || state === "error") fetchMissing();
  if (!wanted) return;
  wanted = false;
  setTimeout(() => document.querySelector("#sweep-run")?.click(), SETTLE_MS);
}

// Until something is drawn, the sheet shows the grid that would be.
function preview() {
  if (state === "idle" && window.layeredSweepPlan) build(window.layeredSweepPlan);
}

window.layeredSweep = { begin, stop, fail, free, preview, id: () => id, query: () => sheet?.queries[opened] ?? "", state: () => state };

// ---------------------------------------------------------------- its own controls

for (const choice of find(".marks").querySelectorAll("button"))
  choice.addEventListener("click", () => {
    for (const other of find(".marks").querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === choice));
    mark = choice.dataset.mark;
    drawMarks();
  });

find(".open").addEventListener("click", () => open(looked));

table.addEventListener("keydown", (event) => {
  const at = Number(event.target.dataset?.cell);
  if (Number.isNaN(at) || event.ctrlKey || event.metaKey || event.altKey) return;
  const column = at % width();
  const to = {
    ArrowLeft: column ? at - 1 : at, ArrowRight: column + 1 < width() ? at + 1 : at,
    ArrowUp: at - width(), ArrowDown: at + width(), Home: at - column, End: at - column + width() - 1,
  }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  button(to)?.focus();
});

const hold = holdStop("#sweep-stop", stop);

// Draw while drawing is nothing; after Stop, gradio is busy cancelling for a moment: then Draw is pressed again.
document.addEventListener("click", (event) => {
  if (!inFlight || !event.target.closest?.("#sweep-run")) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (!busy()) wanted = true;
}, true);

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || !root.isConnected || !root.offsetParent) return; // another tab is on show
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    document.querySelector("#sweep-run")?.click();
  } else if (event.key === "Escape") {
    document.querySelector("#sweep-stop")?.click();
  }
});

setState("idle");
preview();
watch("value", () => take(props.value));
take(props.value);
