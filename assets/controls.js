// Setting a control of the page from a drawing, as if its number had been typed: gradio hears the input event.
function typeNumber(id, value) {
  const field = document.getElementById(id)?.querySelector("input[type=number]");
  if (!field || Number(field.value) === value) return;
  field.value = String(value);
  field.dispatchEvent(new Event("input", { bubbles: true }));
}
