// Says so when a script of the console did not come, or does not run: the page would say "Loading…" for ever.
(() => {
  const tell = () => {
    const place = document.getElementById("loading");
    if (!place) return; // the console runs
    place.className = "problem";
    place.setAttribute("role", "alert");
    place.textContent =
      "The console did not load: a script is missing, or this browser is too old for it. Load the page again.";
  };
  addEventListener("error", (event) => {
    if (event.target instanceof HTMLScriptElement || event instanceof ErrorEvent) tell();
  }, true);
  addEventListener("unhandledrejection", tell);
})();
