// The time range and its picker; kept in the URL as from, to and refresh, like Grafana's.

import { create, put } from "./dom.js";
import { dateTime } from "./format.js";
import { moment, onNavigate, params, seconds, setParams } from "./state.js";

const QUICK = [
  ["5m", "5 minutes"],
  ["15m", "15 minutes"],
  ["30m", "30 minutes"],
  ["1h", "1 hour"],
  ["3h", "3 hours"],
  ["6h", "6 hours"],
  ["12h", "12 hours"],
  ["24h", "24 hours"],
  ["2d", "2 days"],
  ["7d", "7 days"],
];
const ROUNDED = [
  ["now/d", "now", "Today so far"],
  ["now/d", "now/d", "Today"],
  ["now-1d/d", "now-1d/d", "Yesterday"],
  ["now/w", "now/w", "This week"],
];
const REFRESH = ["off", "2s", "5s", "10s", "30s", "1m"];

export class TimeRange {
  /** Args: defaults {from, to, refresh}; onChange runs after a change or when a refresh is due. */
  constructor({ from = "now-1h", to = "now", refresh = "off" } = {}, onChange = () => {}) {
    this.defaults = { from, to, refresh };
    this.onChange = onChange;
    this.element = create("div", { class: "row range" });
    this.read();
    onNavigate(() => {
      this.read();
      this.onChange("navigate");
    });
    addEventListener("refresh", () => this.onChange("refresh"));
    document.addEventListener("visibilitychange", () => this.schedule());
  }

  read() {
    const query = params();
    const range = query.get("range");
    this.from =
      query.get("from") ?? (Number.isFinite(seconds(range)) ? `now-${range}` : this.defaults.from);
    this.to = query.get("to") ?? this.defaults.to;
    if (!Number.isFinite(moment(this.from))) this.from = this.defaults.from;
    if (!Number.isFinite(moment(this.to))) this.to = this.defaults.to;
    this.refresh = query.get("refresh") ?? this.defaults.refresh;
    this.draw();
    this.schedule();
  }

  /** Return {start, end} in unix seconds as of now. */
  bounds() {
    const now = Date.now() / 1000;
    const [start, end] = [moment(this.from, now), moment(this.to, now, { up: true })];
    return start < end ? { start, end } : { start: end - 3600, end };
  }

  set(from, to) {
    this.from = from;
    this.to = to;
    setParams({ from, to, range: null }, { push: true });
    this.draw();
    this.schedule();
    this.onChange("range");
  }

  /** Zoom to a range in milliseconds. */
  zoom(startMs, endMs) {
    if (endMs - startMs > 1000) this.set(String(Math.round(startMs)), String(Math.round(endMs)));
  }

  zoomOut() {
    const { start, end } = this.bounds();
    const half = (end - start) / 2;
    this.set(
      String(Math.round((start - half) * 1000)),
      String(Math.round(Math.min(end + half, Date.now() / 1000) * 1000)),
    );
  }

  schedule() {
    clearInterval(this.timer);
    const every = seconds(this.refresh);
    if (Number.isFinite(every) && !document.hidden)
      this.timer = setInterval(() => this.onChange("refresh"), every * 1000);
  }

  label() {
    const quick = QUICK.find(([span]) => this.to === "now" && this.from === `now-${span}`);
    if (quick) return `Last ${quick[1]}`;
    const rounded = ROUNDED.find(([from, to]) => this.from === from && this.to === to);
    if (rounded) return rounded[2];
    const name = (text) => (text.startsWith("now") ? text : dateTime(moment(text) * 1000));
    return `${name(this.from)} to ${name(this.to)}`;
  }

  draw() {
    const open = create(
      "button",
      {
        class: "button",
        type: "button",
        "aria-haspopup": "dialog",
        onclick: () => this.open(open),
      },
      this.label(),
      " ▾",
    );
    const choose = create(
      "select",
      {
        "aria-label": "Refresh",
        title: "Refresh every",
        onchange: (event) => {
          this.refresh = event.target.value;
          setParams({ refresh: this.refresh });
          this.schedule();
        },
      },
      [...new Set([...REFRESH, this.refresh])]
        .filter((each) => each !== "")
        .map((each) =>
          create(
            "option",
            { value: each, selected: each === this.refresh },
            each === "off" ? "no refresh" : `every ${each}`,
          ),
        ),
    );
    put(
      this.element,
      create(
        "span",
        { class: "group" },
        open,
        create(
          "button",
          {
            class: "button",
            type: "button",
            title: "Zoom out",
            "aria-label": "Zoom out",
            onclick: () => this.zoomOut(),
          },
          "−",
        ),
      ),
      create(
        "span",
        { class: "group" },
        choose,
        create(
          "button",
          {
            class: "button",
            type: "button",
            title: "Refresh (r)",
            "aria-label": "Refresh",
            onclick: () => this.onChange("refresh"),
          },
          "↻",
        ),
      ),
    );
  }

  open(anchor) {
    if (this.popup) return this.close();
    const from = create("input", { value: this.from, "aria-label": "From", size: 20 });
    const to = create("input", { value: this.to, "aria-label": "To", size: 20 });
    const problem = create("div", { class: "badge bad", hidden: true });
    const apply = (event) => {
      event.preventDefault();
      const good =
        Number.isFinite(moment(from.value)) &&
        Number.isFinite(moment(to.value)) &&
        moment(from.value) < moment(to.value, undefined, { up: true });
      if (good) {
        this.close();
        this.set(from.value, to.value);
        return;
      }
      problem.hidden = false;
      problem.textContent =
        "Expected now-2h, now/d, unix seconds or 2026-11-25 17:00; From must be before To.";
    };
    this.popup = create(
      "div",
      { class: "popup range-popup", role: "dialog", "aria-label": "Time range" },
      create(
        "form",
        { class: "stack", onsubmit: apply },
        create("label", { class: "field" }, "From", from),
        create("label", { class: "field" }, "To", to),
        problem,
        create("button", { class: "button primary" }, "Apply"),
      ),
      create(
        "div",
        { class: "quick" },
        [...QUICK.map(([span, name]) => [`now-${span}`, "now", `Last ${name}`]), ...ROUNDED].map(
          ([start, end, name]) =>
            create(
              "button",
              {
                class: "link",
                type: "button",
                onclick: () => {
                  this.close();
                  this.set(start, end);
                },
              },
              name,
            ),
        ),
      ),
    );
    const box = anchor.getBoundingClientRect();
    this.popup.style.top = `${box.bottom + scrollY + 4}px`;
    this.popup.style.right = `${document.documentElement.clientWidth - box.right}px`;
    document.body.append(this.popup);
    from.select();
    this.outside = (event) => {
      if (
        event.key === "Escape" ||
        (event.type === "pointerdown" &&
          !this.popup.contains(event.target) &&
          event.target !== anchor)
      )
        this.close();
    };
    document.addEventListener("pointerdown", this.outside);
    document.addEventListener("keydown", this.outside);
  }

  close() {
    this.popup?.remove();
    this.popup = null;
    document.removeEventListener("pointerdown", this.outside);
    document.removeEventListener("keydown", this.outside);
  }
}
