// The parts of every page: current menu entry, theme, keyboard shortcuts, help.

import { create, createSvg, put } from "./dom.js";

export const facts = JSON.parse(document.body.dataset.facts);
export const main = document.getElementById("main");

const SUN =
  "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8z" +
  "M12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M5 19l2-2M17 7l2-2";
const MOON = "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z";

const SHORTCUTS = [
  ["g then h d m t l a e", "home, dashboards, metrics, traces, logs, alerts, emails"],
  ["/", "focus the search field"],
  ["r", "refresh"],
  ["↑ ↓ Enter", "move through rows, open a row"],
  ["← →", "fold and unfold spans of a trace"],
  ["Esc", "close the popup"],
  ["?", "show this list"],
];

function drawThemeButton() {
  const button = document.getElementById("theme");
  const path = document.documentElement.dataset.theme === "dark" ? SUN : MOON;
  const icon = createSvg(
    "svg",
    {
      viewBox: "0 0 24 24",
      fill: "none",
      stroke: "currentColor",
      "stroke-width": "2",
      "stroke-linecap": "round",
    },
    createSvg("path", { d: path }),
  );
  put(button, icon);
}

function switchTheme() {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  localStorage.setItem("theme", next);
  drawThemeButton();
  dispatchEvent(new Event("themechange"));
}

function showHelp() {
  const rows = SHORTCUTS.map(([keys, what]) =>
    create(
      "tr",
      {},
      create("td", { class: "nowrap" }, create("kbd", {}, keys)),
      create("td", {}, what),
    ),
  );
  const dialog = create(
    "dialog",
    { "aria-label": "Keyboard" },
    create("h2", {}, "Keyboard"),
    create("table", {}, create("tbody", {}, rows)),
    create("form", { method: "dialog" }, create("button", { class: "button" }, "Close")),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function markCurrent() {
  const sections = [
    ["/d/", "/dashboards"],
    ["/trace/", "/traces"],
    ["/runbook/", "/alerts"],
  ];
  const section =
    sections.find(([start]) => location.pathname.startsWith(start))?.[1] ?? location.pathname;
  for (const item of document.querySelectorAll(".top nav a")) {
    const path = item.getAttribute("href");
    if (path === section || (path !== "/" && section.startsWith(path)))
      item.setAttribute("aria-current", "page");
  }
}

let waitingForG = false;

function onKey(event) {
  const typing = event.target.closest?.("input, textarea, select, dialog");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (waitingForG) {
    waitingForG = false;
    const item = document.querySelector(`.top nav a[data-key="${CSS.escape(event.key)}"]`);
    if (item) item.click();
    return;
  }
  const actions = {
    g: () => {
      waitingForG = true;
      setTimeout(() => {
        waitingForG = false;
      }, 1500);
    },
    "?": showHelp,
    r: () => dispatchEvent(new Event("refresh")),
    "/": () => {
      event.preventDefault();
      document.querySelector("[data-search]")?.focus();
    },
  };
  actions[event.key]?.();
}

document.getElementById("theme").addEventListener("click", switchTheme);
document.getElementById("help").addEventListener("click", showHelp);
document.addEventListener("keydown", onKey);
drawThemeButton();
markCurrent();

/** Let the arrow keys move the focus among the matching children. */
export function arrowKeys(container, selector) {
  container.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const current = event.target.closest(selector);
    if (!step || !current || event.target.matches("input, textarea, select")) return;
    const items = [...container.querySelectorAll(selector)].filter((item) => !item.hidden);
    const next = items[items.indexOf(current) + step];
    if (next) {
      event.preventDefault();
      next.focus();
    }
  });
}
