// The leak meter: a chip with ρ for every pair of neighbouring scales. Shared by the schedule's curves, small and large.
function drawRho(list, pairs) {
  list.replaceChildren();
  for (const pair of pairs) {
    const chip = document.createElement("span");
    chip.className = "chip";
    chip.setAttribute("role", "listitem");
    chip.dataset.leaks = String(pair.leaks);
    chip.dataset.pair = pair.low + "-" + pair.high;
    chip.textContent = "ρ " + pair.low + "→" + pair.high + "  " + pair.rho.toFixed(2) + "  " + (pair.leaks ? "leaks" : "no leak");
    list.append(chip);
  }
}
