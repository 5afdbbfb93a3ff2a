// Stop, pressed before gradio knows the name of its run, would cancel nothing on the server. Such a click is held until the request
// to join the queue was answered, and then made again. Part of viewer.js and sweep.js, which are told of it at once (``early``).
function holdStop(button, early) {
  const JOINED_MS = 100; // from the answer until gradio has read it
  let since = Infinity, held = false; // when Run was pressed, while the answer is out; whether a Stop waits for it
  const release = (begun) => {
    if (begun !== since) return;
    const again = held;
    since = Infinity;
    held = false;
    if (again) document.querySelector(button)?.click();
  };
  const answered = (one) => one.startTime >= since && new URL(one.name).pathname.endsWith("/queue/join");
  const watcher = new PerformanceObserver((list) => list.getEntries().some(answered) && setTimeout(release, JOINED_MS, since));
  watcher.observe({ type: "resource" });
  document.addEventListener("click", (event) => {
    if (since === Infinity || !event.target.closest?.(button)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    held = true;
    early();
  }, true);
  return {
    begin: () => { since = performance.now() - 1; held = false; },
    end: () => { since = Infinity; held = false; },
    holds: () => held,
  };
}
