// Takes the run on show home, as files that the server makes or as text copied here, and brings one back from a file.
// take-open.js comes before it in one function. Gradio gives element, trigger, props, watch. Text is only ever set as textContent.
const root = element.querySelector(".take");
const find = (selector) => root.querySelector(selector);
const more = find("#take-more"), list = find(".list"), note = find(".say"), file = find(".file"), drop = find(".drop");
const COPY = {
  link: (run) => location.origin + location.pathname + "?" + run.query,
  settings: (run) => JSON.stringify(run.settings, null, 2),
  python: (run) => run.python,
};
const COPIED = { link: "Link copied. It is in the address bar too.", settings: "Settings copied as JSON.", python: "Copied: run it in a checkout." };
const FALLBACK = { settings: ["layered-settings.json", "application/json"], python: ["layered-run.py", "text/x-python"] };

const say = (text) => (note.textContent = text || "");

// ---------------------------------------------------------------- out

function busy(kind) {
  root.dataset.busy = kind;
  for (const button of root.querySelectorAll("[data-kind]")) button.setAttribute("aria-disabled", String(Boolean(kind)));
}

function fetchFile(kind, run) {
  if (root.dataset.busy) return;
  busy(kind);
  say("Making the file …");
  trigger("select", { kind, run: run.id });
}

async function copy(kind, run) {
  const text = COPY[kind](run);
  if (kind === "link") history.replaceState(null, "", text);
  try {
    await navigator.clipboard.writeText(text);
    say(COPIED[kind]);
  } catch {
    if (kind === "link") return say("The link is in the address bar: copy it from there.");
    const [name, type] = FALLBACK[kind], link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    say("Saved as a file.");
  }
}

root.addEventListener("click", (event) => {
  const button = event.target.closest("[data-kind], [data-copy]");
  if (!button) return;
  const run = window.layeredViewer?.run();
  if (!run) return say("There is nothing to take home yet: press Run first.");
  if (button.dataset.kind) fetchFile(button.dataset.kind, run);
  else copy(button.dataset.copy, run);
});

more.addEventListener("click", () => {
  list.hidden = !list.hidden;
  more.setAttribute("aria-expanded", String(!list.hidden));
});

window.layeredTake = { free: () => { busy(""); say(""); } };

// ---------------------------------------------------------------- in

async function open(chosen) {
  try {
    trigger("submit", { settings: await settingsOf(chosen) });
  } catch (error) {
    trigger("submit", { problem: error instanceof Problem ? error.message : "broken" });
  }
}

find("#take-open").addEventListener("click", () => file.click());
file.addEventListener("change", () => {
  if (file.files.length) open(file.files[0]);
  file.value = ""; // so that the same file can be chosen again
});

// A file over the page, not one of its own pictures, while this tab is on show.
let own = false;
const carries = (event) => !own && root.offsetParent && [...(event.dataTransfer?.types || [])].includes("Files");
const hint = (on) => { drop.hidden = !on; root.dataset.dropping = String(on); };
const listen = (name, react) => document.addEventListener(name, (event) => root.isConnected && react(event));
listen("dragstart", () => (own = true));
listen("dragend", () => (own = false));
listen("dragenter", (event) => carries(event) && hint(true));
listen("dragover", (event) => {
  if (!carries(event)) return;
  event.preventDefault(); // or the browser would leave the page to show the file
  event.dataTransfer.dropEffect = "copy";
  if (drop.hidden) hint(true);
});
listen("dragleave", (event) => event.relatedTarget === null && hint(false));
listen("drop", (event) => {
  hint(false);
  if (!carries(event) || !event.dataTransfer.files.length) return;
  event.preventDefault();
  open(event.dataTransfer.files[0]);
});

hint(false);
watch("value", () => say(props.value?.say));
