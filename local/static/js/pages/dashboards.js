// The list of dashboards.

import { main } from "../frame.js";
import { empty, h, put } from "../dom.js";

put(main, h("div", { class: "page-head" }, h("h1", {}, "Dashboards")), h("div", { class: "card" }, empty("No dashboards yet.")));
