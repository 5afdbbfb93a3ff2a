// Words of the prompt that the model has never seen, as text only, each with known words near it to press instead.
const root = element.querySelector(".words"), list = root.querySelector(".list"), tail = root.querySelector(".tail");
const GUESS = "the text encoder guesses what these words mean";

function make(name, text, parent) {
  const node = document.createElement(name);
  node.textContent = text;
  node.dir = "auto";
  parent.append(node, " ");
  return node;
}

function draw(words) {
  list.replaceChildren();
  for (const { word, near } of words || []) {
    make("i", word, list);
    if (near.length) list.append("\u2192 ");
    for (const known of near) {
      const button = make("button", known, list);
      button.type = "button";
      button.title = `Say «${known}» instead of «${word}»`;
      button.addEventListener("click", () => trigger("select", { word, near: known }));
    }
  }
  tail.textContent = words?.some(({ near }) => near.length) ? `${GUESS}; press a known one to say it instead` : GUESS;
  root.hidden = !(words && words.length);
}

watch("value", () => draw(props.value?.words));
draw(props.value?.words);
