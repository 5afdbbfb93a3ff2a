// The cell that is looked at, and the number on each cell. Part of sweep.js, whose names it uses.

function look(index) {
  looked = index;
  for (const cell of table.querySelectorAll(".cell")) cell.tabIndex = Number(cell.dataset.cell) === index ? 0 : -1;
  const cell = cells[index], close = find(".close"), source = button(index).querySelector("img").getAttribute("src");
  if (source) close.src = source;
  else close.removeAttribute("src");
  close.alt = named(index);
  find(".where").replaceChildren(...labels(index).map(([name, value]) => {
    const line = make("span", "pair");
    line.append(make("i", "", name + " "), make("b", "", value));
    return line;
  }));
  root.dataset.looked = index;
  find(".facts").hidden = find(".open").hidden = !cell;
  if (cell) drawFacts(cell, index);
}

function drawFacts(cell, index) {
  const number = (value, digits) => (value === null || value === undefined ? "–" : value.toFixed(digits));
  const head = make("tr");
  for (const [name, title] of [["px", "Scale"], ["agrees", "PSNR in dB against the scale below"], ["detail", "What half the size cannot hold"], ["Δ", "Change in the last step"], ["λ", "Log-SNR before the last step"]]) {
    const label = make("th", "", name);
    label.scope = "col";
    label.title = title;
    head.append(label);
  }
  const measures = cell.measures, sizes = Object.keys(measures.logsnr).sort((a, b) => b - a);
  const lines = sizes.map((size) => {
    const line = make("tr"), name = make("th"), tag = make("span", "tag", size);
    name.scope = "row";
    tag.style.setProperty("--scale", colours[size]);
    name.append(tag);
    const values = [[measures.agreement[size], 1], [measures.detail[size], 3], [measures.change[size], 4], [measures.logsnr[size], 1]];
    line.append(name, ...values.map(([value, digits]) => make("td", "", number(value, digits).replace("-", "−"))));
    return line;
  });
  const last = make("tr"), whole = make("td", "whole", sheet.steps[index] + " steps · seed " + sheet.seeds[index] + " · " + time(cell.seconds) + " · Δ to first " + number(measures.difference[sheet.size], 3));
  whole.colSpan = 5;
  last.append(whole);
  const facts = find(".facts");
  facts.tHead.replaceChildren(head);
  facts.tBodies[0].replaceChildren(...lines, last);
}

function open(index) {
  if (!cells[index]) return void (find(".announce").textContent = named(index) + " is not drawn yet.");
  opened = index;
  document.querySelector("#sweep-open")?.click();
}

// A number on each picture, and a bar from the least of them to the most.
function drawMarks() {
  const value = (cell) => (mark === "seconds" ? cell.seconds : cell.measures[mark]?.[sheet.size]);
  const known = mark === "none" ? [] : cells.filter(Boolean).map(value).filter((v) => v !== undefined && v !== null);
  const low = Math.min(...known), high = Math.max(...known);
  root.dataset.mark = mark;
  for (const cell of cells.filter(Boolean)) {
    const place = button(cell.index), found = mark === "none" ? undefined : value(cell);
    const text = found === undefined || found === null ? "–" : found.toFixed(mark === "detail" || mark === "difference" ? 3 : 1) + UNIT[mark];
    place.querySelector(".mark").textContent = mark === "none" ? "" : text;
    place.querySelector(".meter").style.width = known.length && high > low && text !== "–" ? 100 * ((found - low) / (high - low)) + "%" : "0";
  }
}
