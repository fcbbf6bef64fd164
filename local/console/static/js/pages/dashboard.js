// One dashboard of dashboards/json, drawn as in Grafana.

import { getJson } from "../api.js";
import { loadCharts } from "../chart.js";
import { Dashboard, dashboardLinks } from "../dash/dashboard.js";
import { create, empty, failure, put } from "../dom.js";
import { purpose } from "../format.js";
import { main } from "../frame.js";
import { params } from "../state.js";
import { TimeRange } from "../timerange.js";

const uid = decodeURIComponent(location.pathname.split("/")[2]);
const eager = params().has("render");
if (eager) document.body.classList.add("render");

async function load() {
  let model;
  const listing = getJson("/api/dashboards").catch(() => ({ dashboards: [] }));
  try {
    [model] = await Promise.all([
      globalThis.givenDashboard ?? getJson(`/api/dashboards/${encodeURIComponent(uid)}`),
      loadCharts(),
    ]);
  } catch (error) {
    put(
      main,
      error.status === 404
        ? create(
            "div",
            { class: "card" },
            empty(
              `There is no dashboard with the uid ${uid}.`,
              create("a", { href: "/dashboards" }, "All dashboards"),
            ),
          )
        : failure(error),
    );
    document.body.dataset.ready = "failed";
    return;
  }
  document.title = `${model.title} · Sightline`;
  try {
    await draw(model, (await listing).dashboards);
  } catch (error) {
    put(main, failure(error));
    document.body.dataset.ready = "failed";
  }
}

async function draw(model, all) {
  const relink = () => put(links, dashboardLinks(model, all, dashboard.linkBuiltins()));
  const range = new TimeRange(
    { from: model.time?.from, to: model.time?.to, refresh: eager ? "off" : model.refresh || "off" },
    (why) => {
      if (why === "navigate" || why === "range") dashboard.reload().then(relink);
      else dashboard.refresh();
    },
  );
  const dashboard = new Dashboard(model, range, { eager });
  const links = create("nav", { class: "row dashboard-links", "aria-label": "Other dashboards" });
  put(
    main,
    create(
      "div",
      { class: "page-head" },
      create(
        "div",
        {},
        create("h1", {}, model.title),
        create("div", { class: "muted" }, purpose(model.description)),
      ),
      create("span", { class: "grow" }),
      range.element,
    ),
    create(
      "div",
      { class: "dashboard-bar" },
      dashboard.variables.element,
      create("span", { class: "grow" }),
      links,
    ),
    dashboard.element,
  );
  await dashboard.reload();
  relink();
  globalThis.settle = () => settle(dashboard);
  await settle(dashboard);
  document.body.dataset.ready = "true";
}

/** Wait until every chart has its final size, for a screenshot. */
async function settle(dashboard) {
  const frame = () =>
    new Promise((done) => {
      requestAnimationFrame(done);
    });
  await frame();
  for (const view of dashboard.views) view.state?.chart?.resize();
  await frame();
  await frame();
}

load();
