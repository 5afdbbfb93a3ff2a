// Experiments: run A, pin it, run B with one setting changed. And A and B in numbers. Part of viewer.js, whose names it uses.

// { one: the experiment, prompt: B's where it has its own, side: "a" or "b", step: what is waited for, query: of A }
// step: "free" until gradio is free, "set" until the server has said the settings, "pressed" until the run begins, then "drawing".
let trial = null;

function offer(experiments) {
  for (const one of experiments) {
    const item = make(one.asks ? "form" : "div", "trial");
    const button = make("button", "go");
    button.type = one.asks ? "submit" : "button";
    button.dataset.experiment = one.key;
    button.append(make("b", "", one.title), make("span", "", one.says));
    item.append(button);
    if (one.asks) {
      const words = make("input", "second");
      words.type = "text";
      words.required = true;
      words.maxLength = 1000;
      words.placeholder = "the second prompt";
      words.setAttribute("aria-label", "The second prompt");
      item.append(words);
      item.addEventListener("submit", (event) => { event.preventDefault(); startTrial(one, words.value); });
    } else button.addEventListener("click", () => startTrial(one));
    find(".trials").append(item);
  }
}

function openTrials(on) {
  find(".trials").hidden = !on;
  find(".try").setAttribute("aria-expanded", String(on));
}

function startTrial(one, prompt) {
  openTrials(false);
  if (busy()) document.querySelector("#stop")?.click();
  stop();
  wanted = false;
  unpin();
  trial = { one, prompt, side: "a", step: "free" };
  root.dataset.trial = "a";
  advance();
}

// The next move, once what was waited for has come: called when a run is done, and when gradio is free.
function advance() {
  if (!trial || inFlight) return;
  if (trial.step === "drawing" && state === "done") {
    if (trial.side === "b") return endTrial(true);
    pinned = run;
    showComparison();
    Object.assign(trial, { side: "b", query: run.query, step: "free" });
    root.dataset.trial = "b";
  }
  if (trial.step !== "free") return;
  trial.step = "set";
  const { one, side, query, prompt } = trial;
  trigger("select", { experiment: one.key, side, query, prompt });
}

// The controls are set: run them.
function runTrial() {
  if (trial?.step !== "set") return;
  trial.step = "pressed";
  document.querySelector("#run")?.click();
}

// A run begins: the experiment's own, or one that somebody asked for meanwhile, which ends it.
function beginTrial() {
  if (trial?.step === "pressed") trial.step = "drawing";
  else endTrial();
}

function endTrial(whole) {
  if (whole) run.look = { a: pinned.id, say: trial.one.look };
  trial = null;
  root.dataset.trial = "";
  if (whole) showComparison();
}

// ---------------------------------------------------------------- A and B in numbers

function drawFigures() {
  if (!comparing()) return;
  find(".look").textContent = run.look?.a === pinned.id ? run.look.say : "";
  const finals = [pinned, run].map((one) => (one === run && busy() ? null : one.frames.findLast(Boolean)));
  const took = (one) => (one === run && busy() ? "…" : seconds(one.seconds));
  find(".figures caption").textContent = "The last step in numbers. A took " + took(pinned) + ", B " + took(run) + ".";
  find(".figures tbody").replaceChildren(
    ...sizesShown().map((size) => {
      const row = make("tr"), name = make("th");
      name.scope = "row";
      name.style.setProperty("--scale", colours[size]);
      name.append(make("b", "tag", size));
      row.append(name);
      for (const [measure, digits] of [["agreement", 1], ["detail", 3], ["change", 3]])
        for (const frame of finals) {
          const value = frame?.measures[measure]?.[size];
          row.append(make("td", "", value == null ? "–" : number(value, digits) + UNIT[measure]));
        }
      return row;
    }),
  );
}
