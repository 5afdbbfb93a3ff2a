// The viewer: receives one small value per step, keeps the steps in the page, and shows, replays and plots them without the server.
// Its values, panels, curves and comparisons are in viewer-*.js, which come before it in one function.
// Gradio gives element, trigger, props, server, upload, watch. Text arrives as data and is only ever set as textContent.
const root = element.querySelector(".viewer");
const find = (selector) => root.querySelector(selector);
const panels = find(".panels"), scrub = find(".scrub"), live = find(".live"), play = find(".play"), lines = find(".lines");
const colours = props.colours, shown = props.shown;
const SVG = "http://www.w3.org/2000/svg";
const PLAY_MS = 120;
const DOUBLE_CLICK_MS = 700;
const FREE_MS = 8000; // gradio has answered a cancellation by then, or the connection is lost
const SETTLE_MS = 100; // a cancelled run's .then and .failure come together, in either order: both before the next run
const EXPLAIN = {
  change: "How much a scale's prediction moved since the step before (root mean square, in units of −1 … 1).",
  logsnr: "Log signal-to-noise ratio λ of each scale: the picture is decided where its line crosses zero.",
  agreement: "How well a scale, brought down to the one below, agrees with it (PSNR in dB; higher is closer).",
  detail: "Fine detail: what a scale holds that the one below cannot (root mean square).",
};
const CHANGE = "change since the step before";
const PENDING = "this scale grows once the coarser ones are finished; until then it shows them enlarged";
const ASLEEP = "this scale is not computed yet: under so much noise it would add nothing to the picture below, which it shows enlarged";
const VIEWS = { x0: "prediction", z: "noisy state", change: "change since the step before", added: "detail that this scale adds", versus: "difference of B and A" };
const KEEP_RUNS = 8; // of the visit, in the page, about a megabyte each
const GAIN = 4; // differences are shown this many times as strong, around grey
const UNIT = { change: "", logsnr: "", agreement: " dB", detail: "" };

let run = null; // { id, total, seconds, frames: [], scales: ["128", ...], settings, query, python, seed }
let begun = -Infinity; // when Run was pressed last, in ms
let inFlight = false, wanted = false; // whether gradio is busy with a run, and whether another is wanted after it
let cancelled = false; // whether this run was stopped: a first value that was on its way then begins nothing
let lastResort; // the timer that frees a run whose end was never heard of
let cursor = -1, follow = true, timer = null, view = "x0", measure = "change", state = "idle";
const figures = new Map();
let pinned = null; // the run that is A
const past = []; // earlier runs, the latest first

// ---------------------------------------------------------------- status line

function seconds(value) {
  return value < 99.5 ? value.toFixed(1) + " s" : Math.round(value / 60) + " min";
}

function status() {
  const line = find(".status"), count = kept();
  if (state === "waiting") return void (line.textContent = "waiting for the model …");
  if (!run || !count) return void (line.textContent = "write a prompt or choose an example; click a picture to enlarge");
  const growth = state === "running" && run.finer.length ? growing() : null;
  const parts = [growth?.said ?? "step " + (cursor + 1) + " / " + run.total, seconds(run.seconds)];
  if (growth) parts.push(...growth.left);
  else if (state === "running") parts.push(seconds((run.seconds / count) * (run.total - count)) + " left");
  if (trial && busy()) parts.unshift("run " + trial.side.toUpperCase());
  if (run.cores) parts[1] = "drawn before, on " + run.cores + (run.cores > 1 ? " cores" : " core") + " in " + seconds(run.seconds);
  if (state === "stopped") parts.push("stopped");
  if (state === "error") parts.push("ended early");
  parts.push("seed " + run.seed);
  line.textContent = parts.join(" · ");
}

// Coarse first: where the run is, in words, and how long it still takes as far as one can tell.
function growing() {
  const base = run.scales.findLast((size) => !run.finer.includes(Number(size))), count = run.latest + 1, left = run.total - count;
  const said = "step " + count + " / " + run.total;
  if (run.frames[run.latest].pending.length) return { said: base + " first: " + said, left: [seconds((run.seconds / count) * left) + " to " + base] };
  return { said: base + " finished · growing " + run.finer.join(" and ") + ", " + said, left: run.pace ? [seconds(run.pace * left) + " left"] : [] };
}

function setState(next, say) {
  state = next;
  root.dataset.state = next;
  if (say) find(".announce").textContent = say;
  status();
  drawFigures();
  if (next === "done") advance();
}

// ---------------------------------------------------------------- replay

function setFollow(on) {
  follow = on;
  live.setAttribute("aria-pressed", String(on));
}

function pause() {
  clearInterval(timer);
  timer = null;
  root.dataset.playing = "false";
  play.setAttribute("aria-label", "Play the steps");
}

function togglePlay() {
  if (timer) return pause();
  if (!kept()) return;
  setFollow(false);
  if (cursor >= run.frames.length - 1) show(0);
  root.dataset.playing = "true";
  play.setAttribute("aria-label", "Pause");
  timer = setInterval(() => (cursor + 1 < run.frames.length ? show(cursor + 1) : pause()), PLAY_MS);
}

function seek(index) {
  if (!kept()) return;
  pause();
  const last = run.frames.length - 1;
  setFollow(index >= last);
  show(Math.min(last, Math.max(0, index)));
}

const kept = () => (run ? run.frames.filter(Boolean).length : 0);
const whole = (of = run) => (of ? of.frames.filter((frame) => frame && !frame.pending.length).length : 0); // with every scale

// ---------------------------------------------------------------- what the page around it calls

const busy = () => state === "running" || state === "waiting";

function begin() {
  pause();
  beginTrial();
  begun = performance.now();
  inFlight = true;
  cancelled = false;
  hold.begin();
  setState("waiting", "Waiting for the model.");
}

function stop() {
  if (!busy()) return;
  cancelled = true;
  const nothing = state === "waiting";
  setState(nothing ? (kept() ? "done" : "idle") : "stopped", nothing ? "Cancelled." : "Stopped. What was drawn so far stays.");
  drawHistory();
}

// A run was refused or broke off: gradio is free again, and calls no .then. A run that was stopped comes by here too, while gradio
// is still busy cancelling it: ``stop`` has dealt with it, and .then will call ``free``.
function fail() {
  if (hold.holds()) return free(); // it never began
  if (!busy()) return;
  endTrial();
  if (state === "waiting") setState(kept() ? "done" : "idle");
  else setState("error", "The run ended early.");
  free();
}

function free() {
  clearTimeout(lastResort);
  hold.end();
  inFlight = false;
  if (!wanted) return void setTimeout(advance, SETTLE_MS);
  wanted = false;
  setTimeout(() => document.querySelector("#run")?.click(), SETTLE_MS);
}

window.layeredViewer = { begin, stop, fail, free, example, runTrial, endTrial, run: () => run, state: () => state };

// ---------------------------------------------------------------- controls of the viewer

function choose(group, attribute, react) {
  const buttons = [...find(group).querySelectorAll("button")];
  for (const button of buttons)
    button.addEventListener("click", () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      react(button.dataset[attribute]);
    });
}

choose(".views", "view", (name) => { view = name; root.dataset.view = name; show(cursor); if (run) loadStates(); });
choose(".measures", "measure", (name) => { measure = name; drawCurves(); });
choose(".sizes", "size", (name) => { root.dataset.size = name; root.style.setProperty("--dpr", window.devicePixelRatio || 1); });
find(".loupe").addEventListener("change", () => (root.dataset.loupe = "false"));
panels.addEventListener("pointermove", point);
panels.addEventListener("pointerleave", () => (root.dataset.loupe = "false"));
find(".coarse").addEventListener("change", (event) => { root.dataset.coarse = String(event.target.checked); drawCurves(); drawFigures(); });
scrub.addEventListener("input", () => seek(Number(scrub.value)));
live.addEventListener("click", () => {
  if (!run) return;
  seek(run.frames.length - 1);
  if (state === "running") show(run.latest);
});
play.addEventListener("click", togglePlay);
find(".pin").addEventListener("click", pin);
find(".unpin").addEventListener("click", unpin);
find(".try").addEventListener("click", () => openTrials(find(".trials").hidden));
find(".split").addEventListener("input", (event) => root.style.setProperty("--split", event.target.value + "%"));

// Run while running starts over: what is running is stopped, and Run is pressed again once gradio is free for it, which ignores
// it before. The second click of a double click is nothing.
function again(event) {
  if (!inFlight) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (performance.now() - begun < DOUBLE_CLICK_MS && state !== "stopped") return;
  wanted = true;
  if (busy()) document.querySelector("#stop")?.click();
  stop();
  clearTimeout(lastResort);
  lastResort = setTimeout(() => wanted && free(), FREE_MS);
}
const submits = (event) => event.key === "Enter" && !event.shiftKey && !event.ctrlKey && !event.metaKey && event.target.closest?.("#prompt, #detail-prompt");
document.addEventListener("click", (event) => event.isTrusted && event.target.closest?.("#stop") && endTrial(), true); // a person's own Stop
const hold = holdStop("#stop", stop);
document.addEventListener("click", (event) => event.target.closest?.("#run") && again(event), true);
document.addEventListener("keydown", (event) => submits(event) && again(event), true);

let dragging = false;
const plot = find(".plot");
const seekPlot = (event) => {
  const box = lines.getBoundingClientRect();
  if (run) seek(Math.round(((event.clientX - box.left) / box.width) * (run.total - 1)));
};
plot.addEventListener("pointerdown", (event) => { dragging = true; plot.setPointerCapture(event.pointerId); seekPlot(event); });
plot.addEventListener("pointermove", (event) => dragging && seekPlot(event));
plot.addEventListener("pointerup", () => (dragging = false));

const writing = (node) => node.closest?.("input:not([type=checkbox]):not([type=button]), textarea, select, [contenteditable=true], [role=listbox], [role=radiogroup]");
document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || !root.isConnected || !root.offsetParent) return; // another tab is on show
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    document.querySelector("#run")?.click();
  } else if (event.key === "Escape" && !find(".trials").hidden) {
    openTrials(false);
    find(".try").focus();
  } else if (event.key === "Escape") {
    endTrial();
    document.querySelector("#stop")?.click();
  } else if (!writing(event.target) && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const inside = root.contains(event.target), ends = inside ? { Home: 0, End: Infinity } : {}; // else they scroll the page
    const jump = { ArrowLeft: cursor - 1, ArrowRight: cursor + 1, ...ends }[event.key];
    if (jump !== undefined && kept() && (inside || event.target === document.body)) {
      event.preventDefault();
      seek(jump);
    } else if (event.key === " " && (event.target === root || event.target === document.body)) {
      event.preventDefault();
      togglePlay();
    }
  }
});

const coarser = props.scales.filter((size) => !shown.includes(size));
find(".coarse-name").textContent = "show " + coarser.join(" and ");
find(".coarse-check").hidden = !coarser.length;
buildPanels(props.scales.map(String));
offer(props.experiments);
root.dataset.size = "equal";
root.dataset.coarse = "false";
root.dataset.large = "false";
root.dataset.compare = root.dataset.pinned = "false";
setState("idle");
drawCurves();
watch("value", () => take(props.value));
take(props.value);
