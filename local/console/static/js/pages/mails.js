// Emails that the SMTP sink received; none leaves the machine.

import { getJson } from "../api.js";
import { create, empty, failure, linked, pairs, put } from "../dom.js";
import { dateTime, nearTime } from "../format.js";
import { arrowKeys, main } from "../frame.js";
import { link, onNavigate, params, setParams } from "../state.js";

const search = create("input", {
  placeholder: "recipient, subject or text",
  "aria-label": "Search",
  "data-search": true,
  size: 34,
});
const list = create("div", { class: "card mail-list scroll" });
const detail = create("div");
const problem = create("div");
const count = create("span", { class: "muted" });
let shown = [];
let top = 0;

async function load() {
  const query = params();
  try {
    const { mails, total } = await getJson("/api/mails", {
      text: query.get("text") ?? "",
      trace_id: query.get("trace_id") ?? "",
      order_id: query.get("order_id") ?? "",
      limit: 200,
    });
    put(problem);
    count.textContent =
      total > mails.length ? `newest ${mails.length} of ${total} emails` : `${total} emails`;
    if (mails[0]?.id === top && mails.length === shown.length && list.children.length) return;
    shown = mails;
    top = mails[0]?.id ?? 0;
    draw();
  } catch (error) {
    put(problem, failure(error));
  }
}

function draw() {
  if (!shown.length) {
    const filtered = ["text", "trace_id", "order_id"].some((name) => params().get(name));
    put(
      list,
      filtered
        ? empty("No emails match.")
        : empty(
            "No emails yet.",
            "The worker sends one when an order is confirmed, fails or is cancelled. " +
              "The SMTP sink stores them all and delivers none.",
          ),
    );
    put(detail);
    return;
  }
  const rows = shown.map((mail) =>
    create(
      "tr",
      {
        tabindex: 0,
        data: { id: mail.id },
        onclick: () => select(mail),
        onfocus: () => select(mail),
      },
      create(
        "td",
        {},
        create("b", {}, mail.subject || "(no subject)"),
        create("div", { class: "muted" }, mail.to.join(", ")),
      ),
      create("td", { class: "right nowrap muted" }, nearTime(mail.received_ns / 1e6)),
    ),
  );
  const body = create("tbody", {}, rows);
  arrowKeys(body, "tr");
  put(list, create("table", {}, body));
  select(shown.find((mail) => String(mail.id) === params().get("id")) ?? shown[0], false);
}

function select(mail, remember = true) {
  if (remember) setParams({ id: mail.id });
  for (const row of list.querySelectorAll("tr"))
    row.setAttribute("aria-selected", String(row.dataset.id === String(mail.id)));
  put(
    detail,
    create(
      "section",
      { class: "card" },
      create(
        "header",
        {},
        create("h2", {}, mail.subject || "(no subject)"),
        create("span", { class: "grow" }),
        create("span", { class: "muted" }, dateTime(mail.received_ns / 1e6)),
      ),
      create(
        "div",
        { class: "body stack" },
        create(
          "div",
          {},
          pairs({
            from: mail.headers.From ?? mail.from,
            to: mail.to.join(", "),
            "message-id": mail.message_id || "none",
            ...(mail.order_id ? { order: mail.order_id } : {}),
            ...(mail.trace_id ? { trace: mail.trace_id } : {}),
          }),
          create(
            "div",
            { class: "row" },
            mail.trace_id
              ? create(
                  "a",
                  { class: "button small", href: `/trace/${mail.trace_id}` },
                  "Trace ",
                  create("span", { class: "mono" }, mail.trace_id.slice(0, 8)),
                )
              : create("span", { class: "faint" }, "no trace id"),
            mail.trace_id
              ? create(
                  "a",
                  {
                    class: "button small",
                    href: link("/logs", { trace_id: mail.trace_id, range: "24h" }),
                  },
                  "Logs",
                )
              : null,
            mail.order_id
              ? create(
                  "a",
                  {
                    class: "button small",
                    href: link("/traces", { attr: `order.id=${mail.order_id}`, range: "24h" }),
                  },
                  "Traces of the order",
                )
              : null,
          ),
        ),
        create("pre", { class: "mail-text" }, linked(mail.text)),
        create(
          "details",
          {},
          create("summary", { class: "muted" }, "Headers"),
          pairs(mail.headers),
        ),
      ),
    ),
  );
}

async function clear() {
  if (!confirm("Delete all emails in the store?")) return;
  await fetch("/api/mails", { method: "DELETE" });
  load();
}

put(
  main,
  create(
    "div",
    { class: "page-head" },
    create("h1", {}, "Emails"),
    count,
    create(
      "form",
      {
        class: "group",
        onsubmit: (event) => {
          event.preventDefault();
          setParams({ text: search.value.trim() }, { push: true });
          load();
        },
      },
      search,
      create("button", { class: "button" }, "Search"),
    ),
    create("button", { class: "button", type: "button", onclick: clear }, "Delete all"),
  ),
  problem,
  create("div", { class: "split" }, list, detail),
  create(
    "p",
    { class: "faint" },
    "Received by the console's SMTP sink and not delivered. In Docker, Mailpit does this.",
  ),
);
search.value = params().get("text") ?? "";
onNavigate(() => {
  shown = [];
  load();
});
addEventListener("refresh", load);
setInterval(() => {
  if (!document.hidden) load();
}, 3000);
load();
