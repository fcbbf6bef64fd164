// The positions of panels: rows, repeats, and which sections are folded.

const DOCKER = "(docker)";

/**
 * Return sections {key, title, collapsed, note, items}.
 *
 * Items are {panel, scope, column, line, width, height}, on a grid of 24 columns.
 */
export function sections(panels, scope) {
  const groups = [{ row: null, panels: [] }];
  for (const panel of [...panels].sort(byPlace)) {
    if (panel.type === "row")
      groups.push({ row: panel, panels: [...(panel.panels ?? [])].sort(byPlace) });
    else groups.at(-1).panels.push(panel);
  }
  return groups
    .filter((group) => group.row || group.panels.length)
    .flatMap((group) => repeatedRow(group, scope));
}

const place = (panel) => panel.gridPos ?? { x: 0, y: 0, w: 12, h: 8 };
const byPlace = (left, right) => place(left).y - place(right).y || place(left).x - place(right).x;

function repeatedRow(group, scope) {
  const name = group.row?.repeat;
  const values = name ? scope.values(name) : [null];
  return values.map((value) =>
    section(group, value === null ? scope : scope.with(name, value), value),
  );
}

function section({ row, panels }, scope, value) {
  const docker = Boolean(row?.title?.includes(DOCKER));
  return {
    key: `${row?.title ?? ""} ${value ?? ""}`,
    title: row?.title ?? null,
    scope,
    collapsed: Boolean(row?.collapsed) || docker,
    items: placed(panels, scope),
    note: docker
      ? `Panels for the exporters and backends of the Docker mode: ${panels.length}. ` +
        "Nothing sends their series here."
      : "",
  };
}

/** Return panels with their repeats; the panels below move down accordingly. */
function placed(panels, scope) {
  const top = Math.min(...panels.map((panel) => place(panel).y), Infinity);
  const items = [];
  let shift = 0;
  for (const panel of panels) {
    const { x: column, y, w: width, h: height } = place(panel);
    const line = y - top + shift;
    const values = panel.repeat ? scope.values(panel.repeat) : [];
    if (!values.length) {
      items.push({ panel, scope, column, line, width, height });
      continue;
    }
    const across = panel.repeatDirection !== "v";
    const perLine = across ? Math.min(values.length, panel.maxPerRow ?? 4) : 1;
    const share = across ? Math.floor(24 / perLine) : width;
    for (const [index, value] of values.entries()) {
      items.push({
        panel,
        scope: scope.with(panel.repeat, value),
        column: across ? (index % perLine) * share : column,
        line: line + Math.floor(index / perLine) * height,
        width: share,
        height,
      });
    }
    shift += (Math.ceil(values.length / perLine) - 1) * height;
  }
  return items;
}
