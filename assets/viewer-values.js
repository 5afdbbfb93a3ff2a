// A run's values as the server makes them, and what is fetched besides. Part of viewer.js, whose names it uses.

const CHUNK = 6; // noisy states fetched at once
const PAUSES_MS = [500, 1000, 2000, 4000]; // before a server that gave no missing step is asked again

function store(frame) {
  run.frames[frame.step] = frame;
  scrub.max = Math.max(run.total - 1, 1);
  scrub.disabled = false;
  root.dataset.steps = kept();
  root.dataset.whole = whole();
}

function take(value) {
  if (!value || !value.run) return;
  const fresh = value.run !== run?.id;
  if (fresh && (cancelled || past.some((one) => one.id === value.run))) return; // or said again while an earlier run is on show
  if (fresh) {
    const scales = Object.keys(value.frame.measures.logsnr).sort((a, b) => a - b);
    if (scales.join() !== [...figures.keys()].join()) buildPanels(scales);
    remember(run);
    run = { id: value.run, frames: [], scales, finer: value.frame.pending };
    cursor = -1;
    pause();
    setFollow(true);
    root.dataset.run = value.run;
    setState("running", "Started: " + value.total + " steps.");
  }
  const { step } = value.frame;
  run.pace = step > run.latest ? (value.seconds - run.seconds) / (step - run.latest) : 0; // seconds that the newest step took
  run.latest = step;
  Object.assign(run, { total: value.total, seconds: value.seconds, seed: value.seed, query: value.query, settings: value.settings, python: value.python });
  store(value.frame);
  if (fresh) showComparison();
  if (value.state === "done") fetchMissing();
  if (follow) show(value.frame.step);
  else status();
  drawCurves();
}

// The run is over. Of values that come close together gradio hands on the last: the others are fetched, then it is done. A server
// that others keep busy gives fewer than were asked for, or none: then it is asked again, after longer and longer pauses.
async function fetchMissing() {
  const asked = run;
  const missing = () => [...Array(asked.total).keys()].filter((step) => !asked.frames[step] || asked.frames[step].pending.length);
  for (let steps = missing(), tries = 0; steps.length; ) {
    const before = steps.length, frames = await server.frames({ run: asked.id, steps, kind: "frame" }).catch(() => []);
    if (run !== asked) return;
    frames.forEach(store);
    steps = missing();
    if (steps.length < before) tries = 0;
    else if (tries === PAUSES_MS.length) break;
    else await new Promise((wake) => setTimeout(wake, PAUSES_MS[tries++]));
  }
  if (state === "running") setState("done", "Finished.");
  drawCurves();
  drawHistory();
}

// Noisy states cost three times the bytes of predictions: they are fetched when they are looked at, the step on show first.
let loading = false;
async function loadStates() {
  if (loading) return;
  loading = true;
  const asked = run;
  let gone = false;
  while (view === "z" && run === asked && !gone) {
    const steps = run.frames.filter((frame) => frame && !frame.z).map((frame) => frame.step);
    if (!steps.length) break;
    steps.sort((a, b) => Math.abs(a - cursor) - Math.abs(b - cursor));
    const got = await server.frames({ run: run.id, steps: steps.slice(0, steps[0] === cursor ? 1 : CHUNK), kind: "z" }).catch(() => null);
    gone = !got || !got.length;
    for (const { step, z } of got || []) {
      const frame = asked.frames[step]; // it may have grown meanwhile: then its z is fetched again
      if (asked.scales.every((size) => z[size] || frame.pending.includes(Number(size)))) frame.z = z;
    }
    if (run === asked && got?.some(({ step }) => step === cursor)) show(cursor);
  }
  loading = false;
  if (run !== asked && view === "z") loadStates();
  if (gone && run === asked) find(".status").textContent = "the noisy states of this run are no longer kept: run it again";
}
