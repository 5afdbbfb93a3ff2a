// Tables of text: a caption, a head, rows with a colour, and a note under each.
const root = element.querySelector(".costs");
let told = "";

function make(name, text, parent, attributes = {}) {
  const node = document.createElement(name);
  node.textContent = text;
  for (const [key, v] of Object.entries(attributes)) node.setAttribute(key, v);
  parent.append(node);
  return node;
}

function draw(value) {
  const text = JSON.stringify(value ?? null);
  if (!value || !value.tables || text === told) return;
  told = text;
  root.replaceChildren();
  for (const table of value.tables) {
    const figure = make("div", "", root, { class: "cost" });
    const frame = make("div", "", figure, { class: "scroll", role: "region", "aria-label": table.caption });
    new ResizeObserver(() => { frame.tabIndex = frame.scrollWidth > frame.clientWidth ? 0 : -1; }).observe(frame);
    const node = make("table", "", frame);
    make("caption", table.caption, node);
    const head = make("tr", "", make("thead", "", node)), body = make("tbody", "", node);
    for (const name of table.head) make("th", name, head, { scope: "col" });
    for (const row of table.rows) {
      const line = make("tr", "", body);
      row.cells.forEach((cell, i) => make(i ? "td" : "th", cell, line, i ? {} : { scope: "row" }));
      if (row.colour) line.firstChild.style.setProperty("--scale", row.colour);
    }
    make("p", table.note, figure, { class: "explain" });
  }
}

watch("value", () => draw(props.value));
draw(props.value);
