// Found traces: as a scatter chart, and as a table.

import { loadCharts } from "./chart.js";
import { serviceColor, token } from "./colors.js";
import { create } from "./dom.js";
import { dateTime, duration, nanoseconds, nearTime } from "./format.js";
import { arrowKeys } from "./frame.js";

/** Return a table of traces; a click or Enter opens one. */
export function traceTable(traces) {
  const longest = Math.max(...traces.map((trace) => trace.duration_ns));
  const open = (trace, event) => {
    const address = `/trace/${trace.trace_id}`;
    if (event.ctrlKey || event.metaKey) window.open(address);
    else location.assign(address);
  };
  const rows = traces.map((trace) =>
    create(
      "tr",
      {
        tabindex: 0,
        onclick: (event) => {
          if (!event.target.closest("a")) open(trace, event);
        },
        onkeydown: (event) => {
          if (event.key === "Enter") open(trace, event);
        },
      },
      create("td", { class: "nowrap" }, nearTime(trace.start_ns / 1e6)),
      create(
        "td",
        { class: "name" },
        create("a", { href: `/trace/${trace.trace_id}` }, trace.root_name),
        " ",
        create("span", { class: "muted" }, trace.root_service),
      ),
      create(
        "td",
        { class: "bar-cell" },
        nanoseconds(trace.duration_ns),
        create("div", {
          class: "meter",
          style: {
            width: `${(100 * trace.duration_ns) / longest}%`,
            background: trace.errors ? token("--bad") : serviceColor(trace.root_service),
          },
        }),
      ),
      create("td", { class: "right" }, trace.spans),
      create(
        "td",
        {},
        trace.errors
          ? create(
              "span",
              { class: "badge bad" },
              `${trace.errors} error${trace.errors > 1 ? "s" : ""}`,
            )
          : "",
      ),
      create(
        "td",
        {},
        create(
          "div",
          { class: "services" },
          trace.services.map((name) =>
            create("span", { class: "chip", style: { "--chip": serviceColor(name) } }, name),
          ),
        ),
      ),
      create("td", { class: "mono faint" }, trace.trace_id.slice(0, 8)),
    ),
  );
  const body = create("tbody", {}, rows);
  arrowKeys(body, "tr");
  return create(
    "table",
    { class: "results" },
    create(
      "thead",
      {},
      create(
        "tr",
        {},
        ["Start", "Trace", "Duration"].map((name) => create("th", {}, name)),
        create("th", { class: "right" }, "Spans"),
        ["", "Services", "Id"].map((name) => create("th", {}, name)),
      ),
    ),
    body,
  );
}

/** Draw traces as dots by start and duration; the range is in unix seconds. */
export async function drawScatter(picture, traces, start, end) {
  picture.hidden = !traces.length;
  if (!traces.length) return;
  const echarts = await loadCharts();
  let chart = echarts.getInstanceByDom(picture);
  if (!chart) {
    chart = echarts.init(picture);
    new ResizeObserver(() => chart.resize()).observe(picture);
    chart.on("click", ({ data }) => location.assign(`/trace/${data.trace.trace_id}`));
  }
  const muted = token("--muted");
  const from = Math.min(...traces.map((trace) => trace.start_ns)) / 1e6;
  const wide =
    traces.length > 20 ? Math.max(start * 1000, from - (end * 1000 - from) * 0.02) : start * 1000;
  chart.setOption(
    {
      animation: false,
      grid: { left: 8, right: 18, top: 14, bottom: 4, containLabel: true },
      xAxis: {
        type: "time",
        min: wide,
        max: end * 1000,
        axisLine: { lineStyle: { color: token("--line") } },
        axisLabel: { color: muted, fontSize: 11, hideOverlap: true },
        splitLine: { show: false },
      },
      yAxis: {
        type: "value",
        axisLabel: { color: muted, fontSize: 11, formatter: duration },
        splitLine: { lineStyle: { color: token("--line") } },
        splitNumber: 3,
      },
      tooltip: {
        trigger: "item",
        appendTo: document.body,
        className: "popup tip",
        backgroundColor: "",
        borderWidth: 0,
        textStyle: { color: token("--text"), fontSize: 12.5, fontFamily: "inherit" },
        extraCssText: "border: 1px solid var(--line-strong); box-shadow: var(--shadow)",
        formatter: ({ data: { trace } }) =>
          create(
            "div",
            {},
            create("b", {}, trace.root_name),
            create(
              "div",
              { class: "muted" },
              `${trace.root_service}, ${dateTime(trace.start_ns / 1e6, true)}`,
            ),
            create(
              "div",
              {},
              `${nanoseconds(trace.duration_ns)}, ${trace.spans} spans, ${trace.errors} errors`,
            ),
          ),
      },
      series: [
        {
          type: "scatter",
          symbolSize: 9,
          cursor: "pointer",
          data: traces.map((trace) => ({
            value: [trace.start_ns / 1e6, trace.duration_ns / 1e9],
            trace,
            symbol: trace.errors ? "diamond" : "circle",
            itemStyle: {
              color: trace.errors ? token("--bad") : serviceColor(trace.root_service),
              opacity: 0.85,
            },
          })),
        },
      ],
    },
    { notMerge: true },
  );
}
