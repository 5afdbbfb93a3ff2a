// The name of the page and one line about the checkpoint, as text only.
const value = props.value || {};
element.querySelector("h1").textContent = value.title || "";
element.querySelector(".model").textContent = value.model || "";
