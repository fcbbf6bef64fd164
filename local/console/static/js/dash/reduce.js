// Reductions of a series to one number, under Grafana's names.

const known = (values) => values.filter((value) => value !== null);
const sum = (values) => known(values).reduce((total, value) => total + value, 0);

const CALCS = {
  lastNotNull: (values) => known(values).at(-1) ?? null,
  last: (values) => values.at(-1) ?? null,
  firstNotNull: (values) => known(values)[0] ?? null,
  first: (values) => values[0] ?? null,
  min: (values) => (known(values).length ? Math.min(...known(values)) : null),
  max: (values) => (known(values).length ? Math.max(...known(values)) : null),
  mean: (values) => (known(values).length ? sum(values) / known(values).length : null),
  sum,
  count: (values) => values.length,
  total: sum,
  range: (values) => CALCS.max(values) - CALCS.min(values),
  diff: (values) => CALCS.lastNotNull(values) - CALCS.firstNotNull(values),
  delta: (values) => CALCS.lastNotNull(values) - CALCS.firstNotNull(values),
  median: (values) => quantile(known(values), 0.5),
  p95: (values) => quantile(known(values), 0.95),
  p99: (values) => quantile(known(values), 0.99),
  distinctCount: (values) => new Set(values).size,
  changeCount: (values) =>
    values.filter((value, index) => index && value !== values[index - 1]).length,
};
const NAMES = { lastNotNull: "last", last: "last", firstNotNull: "first" };

function quantile(values, part) {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted.length
    ? sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]
    : null;
}

/** Return a series reduced by a calculation; an unknown one counts as the last value. */
export const reduce = (points, calc = "lastNotNull") =>
  (CALCS[calc] ?? CALCS.lastNotNull)(points.map((point) => point[1]));
export const calcName = (calc) => NAMES[calc] ?? calc;
