// What a sweep would draw and what it leaves as it is in Explore, as text only. An empty grid shows on the sheet at once.
const root = element.querySelector(".sweep-plan"), find = (selector) => root.querySelector(selector);

function draw(plan) {
  root.hidden = !plan;
  if (!plan) return;
  find(".what").textContent = plan.say;
  find(".time").textContent = plan.time;
  find(".base-line").hidden = !plan.base.length;
  const lines = plan.base.map(([name, value]) => {
    const item = document.createElement("div"), term = document.createElement("dt"), text = document.createElement("dd");
    term.textContent = name;
    text.textContent = value;
    text.dir = "auto";
    item.append(term, text);
    return item;
  });
  find(".base").replaceChildren(...lines);
  root.dataset.ok = String(plan.ok);
  window.layeredSweepPlan = plan.sheet;
  window.layeredSweep?.preview();
}

watch("value", () => draw(props.value));
draw(props.value);
