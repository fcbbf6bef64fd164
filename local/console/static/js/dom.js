// Creates elements without markup: text stays text, so that nothing a service sends becomes HTML.

const SVG = "http://www.w3.org/2000/svg";

/** Create an element: create("td", {class: "right", onclick: f}, "text", child, null). */
export function create(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** Create an SVG element. */
export function createSvg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) setProp(element, name, value);
  element.append(
    ...children
      .flat(Infinity)
      .filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

function setProp(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name === "style")
    for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
  else if (name === "data") Object.assign(element.dataset, value);
  else if (name === "value") element.value = value;
  else element.setAttribute(name, value === true ? "" : value);
}

/** Replace an element's children. */
export function put(element, ...children) {
  element.replaceChildren(
    ...children
      .flat(Infinity)
      .filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

const FOCUSABLE = "a, button, input, select, summary, [tabindex]";
const nameOf = (element) =>
  element.getAttribute("aria-label") ?? element.getAttribute("href") ?? element.textContent;

/** Run a drawing; keep the focus and how far the parts inside an element are scrolled. */
export async function keepPlace(element, draw) {
  const held = element.contains(document.activeElement) ? document.activeElement : null;
  const name = held && nameOf(held);
  const place = held && [...element.querySelectorAll(FOCUSABLE)].indexOf(held);
  const scrolled = [...element.querySelectorAll(".scroll")].map((one) => one.scrollTop);
  await draw();
  [...element.querySelectorAll(".scroll")].forEach((one, index) => {
    if (scrolled[index] && !one.scrollTop) one.scrollTop = scrolled[index];
  });
  if (!held || held.isConnected || document.activeElement !== document.body) return;
  const candidates = [...element.querySelectorAll(FOCUSABLE)];
  const same = candidates.filter((one) => nameOf(one) === name);
  (same.includes(candidates[place]) ? candidates[place] : (same[0] ?? candidates[place]))?.focus({
    preventScroll: true,
  });
}

/** Return a link if its address is safe, else only the text. */
export function safeLink(href, text, props = {}) {
  const ok = /^(https?:\/\/|\/(?!\/)|#|\?)/i.test(href);
  return ok ? create("a", { href, rel: "noreferrer", ...props }, text) : create("span", {}, text);
}

const ADDRESS =
  /https?:\/\/[^\s<>"]*[^\s<>".,;:!?)\]]|\balerts\/runbooks\/(\w+)\.md|(?<=\bTrace )([0-9a-f]{32})\b/g;

/** Return a text's parts, with its URLs and the runbooks and traces that it names as links. */
export function linked(text) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(ADDRESS)) {
    const trace = found[2] ? `/trace/${found[2]}` : found[0];
    const href = found[1] ? `/runbook/${found[1]}` : trace;
    parts.push(text.slice(end, found.index), safeLink(href, found[0]));
    end = found.index + found[0].length;
  }
  return [...parts, text.slice(end)];
}

/** Return a table of keys and values. */
export function pairs(object, onPick) {
  const rows = Object.entries(object).map(([key, value]) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    const name = onPick
      ? create(
          "button",
          {
            class: "link mono",
            type: "button",
            title: `search ${key}=${text}`,
            onclick: () => onPick(key, value),
          },
          key,
        )
      : key;
    return create("tr", {}, create("td", {}, name), create("td", {}, text));
  });
  return create("table", { class: "pairs" }, create("tbody", {}, rows));
}

/** Return a note that there is nothing to show, and why. */
export function empty(title, ...lines) {
  return create(
    "div",
    { class: "empty", role: "status" },
    create("b", {}, title),
    ...lines.map((line) => create("div", {}, line)),
  );
}

/** Return a note with an error's message. */
export function failure(error) {
  return create("div", { class: "notice bad", role: "alert" }, error.message ?? String(error));
}

/** Return a button that copies a text and confirms it. */
export function copyButton(text, label = "copy") {
  const button = create(
    "button",
    {
      class: "button small",
      type: "button",
      onclick: async () => {
        await navigator.clipboard.writeText(text);
        button.textContent = "copied";
        setTimeout(() => {
          button.textContent = label;
        }, 1200);
      },
    },
    label,
  );
  return button;
}
