// One runbook.

import { getJson } from "../api.js";
import { create, empty, failure, put } from "../dom.js";
import { main } from "../frame.js";
import { markdown } from "../markdown.js";

const name = decodeURIComponent(location.pathname.split("/")[2]);
const page = (...parts) =>
  put(
    main,
    create(
      "div",
      { class: "page-head" },
      create("h1", {}, "Runbook"),
      create("a", { class: "button", href: "/alerts" }, "Alerts"),
      create("a", { class: "button", href: `/alerts/rules#${encodeURIComponent(name)}` }, "Rule"),
    ),
    parts,
  );

try {
  const { markdown: text, name: found } = await getJson(
    `/api/runbooks/${encodeURIComponent(name)}`,
  );
  document.title = `${found} · Sightline`;
  page(create("div", { class: "card" }, create("div", { class: "body" }, markdown(text))));
} catch (error) {
  page(
    error.status === 404
      ? create(
          "div",
          { class: "card" },
          empty(
            `There is no runbook for ${name}.`,
            "Runbooks are the files in alerts/runbooks, one per alert.",
          ),
        )
      : failure(error),
  );
}
