// One runbook.

import { main } from "../frame.js";
import { getJson } from "../api.js";
import { empty, failure, h, put } from "../dom.js";
import { markdown } from "../markdown.js";

const name = decodeURIComponent(location.pathname.split("/")[2]);
const page = (...parts) =>
  put(
    main,
    h(
      "div",
      { class: "page-head" },
      h("h1", {}, "Runbook"),
      h("a", { class: "button", href: "/alerts" }, "Alerts"),
      h("a", { class: "button", href: `/alerts/rules#${encodeURIComponent(name)}` }, "Rule"),
    ),
    parts,
  );

try {
  const { markdown: text, name: found } = await getJson(
    `/api/runbooks/${encodeURIComponent(name)}`,
  );
  document.title = `${found} · Sightline`;
  page(h("div", { class: "card" }, h("div", { class: "body" }, markdown(text))));
} catch (error) {
  page(
    error.status === 404
      ? h(
          "div",
          { class: "card" },
          empty(
            `No runbook is called ${name}.`,
            "Runbooks are the files in alerts/runbooks, one per alert.",
          ),
        )
      : failure(error),
  );
}
