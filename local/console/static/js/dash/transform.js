// Grafana's table transformations, those that most dashboards use.

const KNOWN = {
  organize,
  merge,
  sortBy,
  limit,
  filterFieldsByName,
  labelsToFields: (tables) => tables,
  reduce: reduceRows,
  seriesToRows: (tables) => tables,
  joinByField: merge,
  seriesToColumns: merge,
  renameByRegex: renameColumns,
  filterByRefId: (tables, { include = "" }) =>
    tables.filter((one) => include.split("|").includes(one.refId)),
  prepareTimeSeries: (tables) => tables,
};

// Of series: what changes which series there are, and their names.
const OF_SERIES = {
  organize: organizeSeries,
  renameByRegex: renameSeries,
  filterFieldsByName: (series, options) => series.filter(fieldFilter(options)),
  filterByRefId: (series, { include = "" }) =>
    series.filter((one) => include.split("|").includes(one.refId)),
  // The chart aligns series by their times in any case.
  prepareTimeSeries: (series) => series,
  joinByField: (series) => series,
  seriesToColumns: (series) => series,
};

export const TABLE_TRANSFORMATIONS = Object.keys(KNOWN);
export const SERIES_TRANSFORMATIONS = Object.keys(OF_SERIES);

const applied = (known) => (found, transformations) =>
  (transformations ?? [])
    .filter(({ id, disabled }) => !disabled && known[id])
    .reduce((out, { id, options }) => known[id](out, options ?? {}), found);

/** Return tables after the transformations that are supported. */
export const transform = applied(KNOWN);

/** Return series after the transformations that are supported. */
export const transformSeries = applied(OF_SERIES);

function organizeSeries(series, { excludeByName = {}, renameByName = {} }) {
  return series
    .filter((one) => !excludeByName[one.name])
    .map((one) => ({ ...one, name: renameByName[one.name] || one.name }));
}

function renameSeries(series, { regex = "", renamePattern = "" }) {
  const found = pattern(regex);
  return found
    ? series.map((one) => ({ ...one, name: one.name.replace(found, renamePattern) }))
    : series;
}

function renameColumns(tables, options) {
  return tables.map((table) => ({
    ...table,
    columns: renameSeries(table.columns, options).map((column, index) => ({
      ...column,
      source: column.source ?? table.columns[index].name,
    })),
  }));
}

/** Return an expression as people write it, `/a.*b/g` or `a.*b`; null if it is none. */
function pattern(text) {
  const [, body, flags] = /^\/(.*)\/(\w*)$/.exec(text) ?? [null, text, ""];
  try {
    return new RegExp(body, flags);
  } catch {
    return null;
  }
}

const chosen = ({ names, pattern: text } = {}) => {
  const found = text ? pattern(text.startsWith("/") ? text.replace(/\w*$/, "") : text) : null;
  return names || text
    ? (name) => (names ?? []).includes(name) || Boolean(found?.test(name))
    : null;
};

function fieldFilter({ include, exclude }) {
  const [wanted, unwanted] = [chosen(include), chosen(exclude)];
  return ({ name }) => (wanted ? wanted(name) : true) && !unwanted?.(name);
}

function organize(tables, { excludeByName = {}, indexByName = {}, renameByName = {} }) {
  const place = ({ column }) => indexByName[column.name] ?? indexByName[column.source] ?? 999;
  return tables.map((table) => {
    const kept = table.columns
      .map((column, index) => ({ column, index }))
      .filter(({ column }) => !excludeByName[column.name] && !excludeByName[column.source]);
    kept.sort((left, right) => place(left) - place(right));
    return {
      ...table,
      columns: kept.map(({ column }) => ({
        ...column,
        source: column.source ?? column.name,
        name: renameByName[column.name] || renameByName[column.source] || column.name,
      })),
      rows: table.rows.map((row) => kept.map(({ index }) => row[index])),
    };
  });
}

/** Merge rows that have the same values in the tables' common columns. */
function merge(tables, { byField } = {}) {
  if (tables.length < 2) return tables;
  const columns = [];
  for (const table of tables)
    for (const column of table.columns)
      if (!columns.some((one) => one.name === column.name)) columns.push(column);
  const keys = byField
    ? [byField]
    : columns
        .filter(
          (column) =>
            column.type === "string" &&
            tables.every((table) => table.columns.some((one) => one.name === column.name)),
        )
        .map((column) => column.name);
  const rows = new Map();
  for (const table of tables) {
    for (const row of table.rows) {
      const cells = Object.fromEntries(
        table.columns.map((column, index) => [column.name, row[index]]),
      );
      const key = JSON.stringify(keys.map((name) => cells[name]));
      rows.set(key, { ...rows.get(key), ...cells });
    }
  }
  return [
    {
      refId: tables[0].refId,
      columns,
      rows: [...rows.values()].map((cells) => columns.map((column) => cells[column.name] ?? null)),
    },
  ];
}

function sortBy(tables, { sort: [{ field, desc = false } = {}] = [] }) {
  return tables.map((table) => {
    const index = table.columns.findIndex((column) => column.name === field);
    return index < 0 ? table : { ...table, rows: sortRows(table.rows, index, desc) };
  });
}

/** Return rows sorted by a column: numbers by value, the rest as text. */
export function sortRows(rows, index, descending) {
  const compare = (left, right) =>
    typeof left === "number" && typeof right === "number"
      ? left - right
      : String(left ?? "").localeCompare(String(right ?? ""), undefined, { numeric: true });
  return [...rows].sort((left, right) =>
    descending ? compare(right[index], left[index]) : compare(left[index], right[index]),
  );
}

function limit(tables, { limitField: most = 10 }) {
  return tables.map((table) => ({ ...table, rows: table.rows.slice(0, Number(most)) }));
}

function filterFieldsByName(tables, options) {
  const wanted = fieldFilter(options);
  return tables.map((table) => {
    const kept = table.columns
      .map((_, index) => index)
      .filter((index) => wanted(table.columns[index]));
    return {
      ...table,
      columns: kept.map((index) => table.columns[index]),
      rows: table.rows.map((row) => kept.map((index) => row[index])),
    };
  });
}

function reduceRows(tables, { reducers = ["lastNotNull"] }) {
  return tables.map((table) => {
    const numeric = table.columns
      .map((column, index) => ({ column, index }))
      .filter(({ column }) => column.type === "number");
    const last = (index) => table.rows.map((row) => row[index]).filter((value) => value !== null);
    const calc = {
      max: (values) => Math.max(...values),
      min: (values) => Math.min(...values),
      mean: (values) => values.reduce((sum, value) => sum + value, 0) / values.length,
      sum: (values) => values.reduce((sum, value) => sum + value, 0),
      count: (values) => values.length,
    };
    return {
      ...table,
      columns: [
        { name: "Field", type: "string" },
        ...reducers.map((name) => ({ name, type: "number" })),
      ],
      rows: numeric.map(({ column, index }) => [
        column.name,
        ...reducers.map((name) => (calc[name] ?? ((values) => values.at(-1) ?? null))(last(index))),
      ]),
    };
  });
}
