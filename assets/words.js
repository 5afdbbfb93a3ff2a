// Words of the prompt that the model has never seen, as text only.
const root = element.querySelector(".words"), list = root.querySelector(".list");

function draw(words) {
  list.replaceChildren();
  for (const word of words || []) {
    const node = document.createElement("i");
    node.textContent = word;
    node.dir = "auto";
    list.append(node, " ");
  }
  root.hidden = !(words && words.length);
}

watch("value", () => draw(props.value?.words));
draw(props.value?.words);
