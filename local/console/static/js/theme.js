// Chooses dark or light before anything is drawn; a choice in the address wins over a stored one.
(() => {
  const asked = new URLSearchParams(location.search).get("theme");
  const stored = localStorage.getItem("theme");
  const system = matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
  const known = (word) => (word === "dark" || word === "light" ? word : null);
  document.documentElement.dataset.theme = known(asked) ?? known(stored) ?? system;
})();
