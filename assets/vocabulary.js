// The words of the captions: a filter that works here, and buttons that add to Explore's prompt.
const root = element.querySelector(".words-known"), groups = root.querySelector(".groups"), find = root.querySelector("input");
const count = root.querySelector(".count"), added = root.querySelector(".added");
let told = "", buttons = [];

function make(name, text, parent, className = "") {
  const node = document.createElement(name);
  node.textContent = text;
  if (className) node.className = className;
  parent.append(node);
  return node;
}

function draw(value) {
  const text = JSON.stringify(value ?? null);
  if (!value || !value.groups || text === told) return;
  told = text; buttons = [];
  root.querySelector(".say").textContent = value.say;
  groups.replaceChildren();
  for (const group of value.groups) {
    const section = make("div", "", groups, "group");
    section.dataset.held = String(group.held);
    make("h3", group.name, section);
    if (group.held) make("p", "No caption has these words: the text encoder alone places them, near what is named on the left.", section, "explain");
    const rows = make("div", "", section, "rows");
    for (const row of group.rows) {
      const line = make("div", "", rows, "row");
      if (row.name) make("span", row.name, line, "value");
      const chips = make("div", "", line, "chips");
      for (const word of row.words) {
        const button = make("button", word, chips, "word");
        button.type = "button";
        button.tabIndex = buttons.length ? -1 : 0;
        button.dataset.find = (word + " " + row.name + " " + group.name).toLowerCase();
        buttons.push(button);
      }
    }
  }
  find.parentElement.hidden = !buttons.length;
  root.dataset.ready = "true";
  filter();
}

function filter() {
  const asked = find.value.trim().toLowerCase();
  let shown = 0;
  for (const button of buttons) shown += !(button.hidden = !button.dataset.find.includes(asked));
  for (const part of groups.querySelectorAll(".row, .group")) part.hidden = !part.querySelector("button:not([hidden])");
  root.dataset.shown = String(shown);
  count.textContent = !buttons.length ? "" : asked ? (shown ? `${shown} of ${buttons.length}` : "none: the text encoder would have to guess") : `${buttons.length} phrases`;
  reach(buttons.find((button) => !button.hidden));
}

// One stop for the Tab key, arrows from word to word.
function reach(button) {
  for (const other of buttons) other.tabIndex = other === button ? 0 : -1;
}

groups.addEventListener("keydown", (event) => {
  const shown = buttons.filter((button) => !button.hidden), at = shown.indexOf(event.target);
  const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: shown.length - 1 }[event.key];
  if (at < 0 || to === undefined) return;
  event.preventDefault();
  if (shown[to]) { reach(shown[to]); shown[to].focus(); }
});

groups.addEventListener("click", (event) => {
  const button = event.target.closest("button"), prompt = document.querySelector("#prompt textarea");
  if (!button || !prompt) return;
  reach(button);
  prompt.value = (prompt.value.trimEnd() + " " + button.textContent).trimStart();
  prompt.dispatchEvent(new Event("input", { bubbles: true }));
  added.textContent = `Added. The prompt is now «${prompt.value}».`;
});

find.addEventListener("input", filter);
watch("value", () => draw(props.value));
draw(props.value);
