// The name of the page, one line about the checkpoint, and a link to every other one, as text only.
const value = props.value || {}, models = element.querySelector(".models");
element.querySelector("h1").textContent = value.title || "";
element.querySelector(".model").textContent = value.model || "";
models.hidden = !value.models;
models.replaceChildren(...(value.models ?? []).map(({ name, href, here }) => {
  const link = document.createElement("a");
  link.textContent = name;
  link.href = href;
  if (here) link.setAttribute("aria-current", "page");
  link.addEventListener("click", () => {
    const prompt = document.querySelector("#prompt textarea")?.value.trim();
    link.search = prompt ? new URLSearchParams({ prompt }) : ""; // the same words on the other model
  });
  return link;
}));
