// One crosshair over all charts of a dashboard: a line at the time under the pointer.

import { create } from "./dom.js";

export class Crosshair {
  constructor() {
    this.charts = new Map();
  }

  /**
   * Let a chart take part; return the function that ends it.
   *
   * Args: pixel(ms) returns the horizontal place of a time, or null; time(pixel) is its inverse.
   */
  join(chart, element, { pixel, time } = ofTimeAxis(chart)) {
    const line = create("div", { class: "crosshair", hidden: true });
    element.append(line);
    this.charts.set(element, { line, pixel });
    const move = (event) => this.move(element, time(event.offsetX));
    const leave = () => this.move(element, null);
    chart.getZr().on("mousemove", move);
    chart.getZr().on("globalout", leave);
    return () => {
      this.charts.delete(element);
      line.remove();
    };
  }

  move(source, ms) {
    for (const [element, { line, pixel }] of this.charts) {
      // The chart under the pointer draws its own.
      const at = ms === null || element === source ? null : pixel(ms);
      line.hidden = !Number.isFinite(at);
      if (!line.hidden) line.style.setProperty("left", `${at}px`);
    }
  }
}

const inside = (chart, at) =>
  Number.isFinite(at) && chart.containPixel({ gridIndex: 0 }, [at, chart.getHeight() / 2])
    ? at
    : null;

function ofTimeAxis(chart) {
  const axis = { xAxisIndex: 0 };
  return {
    pixel: (ms) => inside(chart, chart.convertToPixel(axis, ms)),
    time: (at) => (inside(chart, at) === null ? null : chart.convertFromPixel(axis, at)),
  };
}

/** Return the places on an axis of categories, one for each of these times in order. */
export function ofCategories(chart, times) {
  const axis = { xAxisIndex: 0 };
  const nearest = (ms) => {
    const all = times();
    const index = all.findIndex((one) => one >= ms);
    if (index < 0 || ms < all[0] - (all[1] - all[0] || 0)) return null;
    return index;
  };
  return {
    pixel: (ms) => {
      const index = nearest(ms);
      return index === null ? null : inside(chart, chart.convertToPixel(axis, index));
    },
    time: (at) => {
      const index = inside(chart, at) === null ? null : chart.convertFromPixel(axis, at);
      return index === null ? null : (times()[index] ?? null);
    },
  };
}
