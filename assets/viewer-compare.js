// Runs beside each other: one that is pinned as A, and the earlier runs of the visit. Part of viewer.js, whose names it uses.

// ---------------------------------------------------------------- A against B

const comparing = () => pinned && run && pinned !== run;

// The step of A that stands where B's cursor is: the runs may have different numbers of steps.
const matching = (index) => pinned.frames[Math.round((index / Math.max(run.total - 1, 1)) * (pinned.total - 1))];

function pin() {
  if (!kept() || busy()) return;
  pinned = pinned === run ? null : run;
  showComparison();
  if (cursor >= 0) show(cursor);
  drawCurves();
}

function unpin() {
  pinned = null;
  if (view === "versus") find('[data-view="x0"]').click();
  showComparison();
  if (cursor >= 0) show(cursor);
  drawCurves();
}

function showComparison() {
  const on = Boolean(comparing());
  root.dataset.compare = String(on);
  root.dataset.pinned = String(Boolean(pinned));
  find(".pin").setAttribute("aria-pressed", String(pinned !== null && pinned === run));
  find(".pin").textContent = pinned && pinned === run ? "A is pinned" : "Pin as A";
  drawFigures();
  if (!pinned) return;
  find(".differs").textContent = on ? differing(pinned.settings, run.settings) : "A is pinned: change anything and run again to see B against it.";
}

// «guidance 4 → 1 · noise sinc → independent», of settings as the server describes them.
function differing(a, b) {
  const text = (value) => (typeof value === "number" ? String(Math.round(value * 1000) / 1000) : typeof value === "string" ? value || "none" : JSON.stringify(value));
  const names = Object.keys({ ...a, ...b }).filter((name) => name !== "shifts" && JSON.stringify(a[name]) !== JSON.stringify(b[name]));
  const said = names.map((name) => {
    if (name !== "shifts_used") return name.replaceAll("_", " ") + " " + text(a[name]) + " → " + text(b[name]);
    const moved = Object.keys(b[name]).filter((size) => a[name][size] !== b[name][size]);
    return "shift of " + moved.join(", ");
  });
  return said.length ? said.join(" · ") : "no setting differs: the same picture twice";
}

function showPinned(item, size, index) {
  const frame = matching(index), url = frame && prediction(frame, size);
  if (url && item.pinned.src !== url) item.pinned.src = url;
}

// ---------------------------------------------------------------- the visit's runs

function remember(finished) {
  if (!finished || !finished.frames.some(Boolean) || past.includes(finished)) return;
  past.unshift(finished);
  if (past.length > KEEP_RUNS) past.pop();
}

function drawHistory() {
  const strip = find(".history");
  strip.replaceChildren();
  const all = run && kept() && !past.includes(run) ? [run, ...past] : past;
  root.dataset.runs = all.length;
  if (all.length < 2) return;
  for (const one of all) {
    const button = make("button", "past"), image = make("img"), last = one.frames.findLast(Boolean);
    button.type = "button";
    button.title = one.settings.prompt + ", seed " + one.seed;
    button.setAttribute("aria-label", "Show again: " + button.title);
    button.setAttribute("aria-current", String(one === run));
    image.src = last.x0[shown[0]] ?? last.x0[awake(last)];
    image.alt = "";
    button.append(image);
    button.addEventListener("click", () => look(one));
    strip.append(button);
  }
}

function look(one) {
  if (busy() || inFlight || one === run) return;
  enter(one, "Shown again: " + one.settings.prompt);
  document.querySelector("#recall")?.click(); // the controls go back with it
}

// An example: as it was drawn before, where the server has it so, or else by a run.
async function example(id) {
  const here = [run, ...past].find((one) => one && one.id === id);
  const drawn = here || !id ? null : await server.example({ run: id }).catch(() => null);
  if (!here && !drawn) return void document.querySelector("#run")?.click();
  if (busy()) document.querySelector("#stop")?.click();
  stop();
  wanted = false;
  const { run: name, cores, frames, total, seed, query, settings, python } = drawn ?? {};
  const scales = drawn && Object.keys(frames[0].measures.logsnr).sort((a, b) => a - b);
  enter(here ?? { id: name, cores, frames, total, seed, query, settings, python, scales, seconds: drawn.seconds, finer: [] }, "Shown as it was drawn before.");
}

function enter(one, say) {
  if (one !== run) remember(run);
  pause();
  if (one.scales.join() !== [...figures.keys()].join()) buildPanels(one.scales);
  run = one;
  scrub.disabled = false;
  root.dataset.run = one.id;
  root.dataset.steps = kept();
  root.dataset.whole = whole();
  scrub.max = Math.max(run.total - 1, 1);
  setFollow(true);
  setState(whole() === one.total ? "done" : "stopped", say);
  showComparison();
  show(one.frames.findLastIndex(Boolean));
  drawCurves();
  drawHistory();
}
