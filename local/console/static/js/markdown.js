// Markdown as elements: the part that runbooks use. Text is never parsed as HTML.

import { create, safeLink } from "./dom.js";

const BLOCKS = [
  [/^```(\w*)\s*$/, fence],
  [
    /^(#{1,4})\s+(.*)$/,
    (lines, [, marks, text]) => {
      lines.shift();
      return create(`h${marks.length}`, {}, inline(text));
    },
  ],
  [/^\s*(?:[-*+]|\d+[.)])\s+/, list],
  [
    /^>\s?/,
    (lines) =>
      create(
        "blockquote",
        {},
        render(take(lines, /^>\s?/).map((line) => line.replace(/^>\s?/, ""))),
      ),
  ],
  [/^\|.*\|\s*$/, table],
  [
    /^(?:---+|\*\*\*+)\s*$/,
    (lines) => {
      lines.shift();
      return create("hr");
    },
  ],
];

/** Return the elements of a Markdown text. */
export const markdown = (text) =>
  create("div", { class: "prose" }, render(text.replaceAll("\r", "").split("\n")));

function render(input) {
  const lines = [...input];
  const out = [];
  while (lines.length) {
    if (!lines[0].trim()) {
      lines.shift();
      continue;
    }
    const block = BLOCKS.find(([pattern]) => pattern.test(lines[0]));
    out.push(block ? block[1](lines, block[0].exec(lines[0])) : paragraph(lines));
  }
  return out;
}

function take(lines, pattern) {
  const taken = [];
  while (lines.length && pattern.test(lines[0])) taken.push(lines.shift());
  return taken;
}

function paragraph(lines) {
  const words = [lines.shift()];
  while (lines.length && lines[0].trim() && !BLOCKS.some(([pattern]) => pattern.test(lines[0])))
    words.push(lines.shift());
  return create("p", {}, inline(words.join(" ")));
}

function fence(lines) {
  lines.shift();
  const code = [];
  while (lines.length && !/^```\s*$/.test(lines[0])) code.push(lines.shift());
  lines.shift();
  return create("pre", {}, create("code", {}, code.join("\n")));
}

function list(lines) {
  const ordered = /^\s*\d/.test(lines[0]);
  const indent = /^\s*/.exec(lines[0])[0].length;
  const items = [];
  const own = new RegExp(`^\\s{${indent}}(?:[-*+]|\\d+[.)])\\s+`);
  while (
    lines.length &&
    (own.test(lines[0]) || (lines[0].trim() && /^\s*/.exec(lines[0])[0].length > indent))
  ) {
    if (own.test(lines[0])) items.push([lines.shift().replace(own, "")]);
    else items.at(-1).push(lines.shift());
  }
  return create(ordered ? "ol" : "ul", {}, items.map(item));
}

function item([first, ...rest]) {
  const nested = rest.findIndex((line) => BLOCKS.some(([pattern]) => pattern.test(line.trim())));
  const words = nested < 0 ? rest : rest.slice(0, nested);
  const below = nested < 0 ? [] : rest.slice(nested);
  const margin = below.length ? /^\s*/.exec(below[0])[0].length : 0;
  return create(
    "li",
    {},
    inline([first, ...words.map((line) => line.trim())].join(" ")),
    render(below.map((line) => line.slice(Math.min(margin, /^\s*/.exec(line)[0].length)))),
  );
}

function table(lines) {
  const cells = (line) =>
    line
      .trim()
      .replace(/^\||\|$/g, "")
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim().replaceAll("\\|", "|"));
  const rows = take(lines, /^\|.*\|\s*$/).map(cells);
  const ruled = rows.length > 1 && rows[1].every((cell) => /^:?-+:?$/.test(cell));
  const head = ruled
    ? create(
        "thead",
        {},
        create(
          "tr",
          {},
          rows[0].map((cell) => create("th", {}, inline(cell))),
        ),
      )
    : null;
  return create(
    "table",
    {},
    head,
    create(
      "tbody",
      {},
      rows.slice(ruled ? 2 : 0).map((row) =>
        create(
          "tr",
          {},
          row.map((cell) => create("td", {}, inline(cell))),
        ),
      ),
    ),
  );
}

const INLINE = new RegExp(
  [
    /(`+)(.+?)\1/,
    /\*\*(.+?)\*\*/,
    /(?<![\w*])[*_](?!\s)(.+?)(?<!\s)[*_](?![\w*])/,
    /\[([^\]]+)\]\(([^)\s]+)\)/,
    /<?(https?:\/\/[^\s<>)]+)>?/,
  ]
    .map(({ source }) => source)
    .join("|"),
  "g",
);

function inline(text) {
  const out = [];
  let at = 0;
  for (const found of text.matchAll(INLINE)) {
    out.push(text.slice(at, found.index), piece(found));
    at = found.index + found[0].length;
  }
  return [...out, text.slice(at)];
}

function piece([whole, , code, strong, emphasis, name, href, bare]) {
  if (code !== undefined) return create("code", {}, code.trim());
  if (strong !== undefined) return create("strong", {}, inline(strong));
  if (emphasis !== undefined) return create("em", {}, inline(emphasis));
  if (name !== undefined) return safeLink(local(href), inline(name));
  return bare ? safeLink(bare, bare) : whole;
}

/** Return the address of a link; one to a runbook's file leads to its page here. */
function local(href) {
  const runbook = /^(?:\.\/|\.\.\/)*(?:alerts\/)?(?:runbooks\/)?([\w-]+)\.md(#.*)?$/.exec(href);
  return runbook ? `/runbook/${runbook[1]}${runbook[2] ?? ""}` : href;
}
