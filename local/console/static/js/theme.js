// Chooses dark or light before anything is drawn: by the URL, the stored choice, the system.
(() => {
  const asked = new URLSearchParams(location.search).get("theme");
  const stored = localStorage.getItem("theme");
  const system = matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
  const known = (word) => (word === "dark" || word === "light" ? word : null);
  document.documentElement.dataset.theme = known(asked) ?? known(stored) ?? system;
})();
