// Where panels stand: rows, repeats, and what is folded.

const DOCKER = "(docker)";

/** Return sections {key, title, collapsed, note, items: [{panel, scope, x, y, w, h}]}. */
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
const byPlace = (a, b) => place(a).y - place(b).y || place(a).x - place(b).x;

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
      ? `${panels.length} panels that need the exporters and back ends of the Docker mode; nothing sends these series here.`
      : "",
  };
}

/** Return panels with repeats spread out; whatever stands below moves down by as much. */
function placed(panels, scope) {
  const top = Math.min(...panels.map((panel) => place(panel).y), Infinity);
  const items = [];
  let shift = 0;
  for (const panel of panels) {
    const { x, y, w, h } = place(panel);
    const values = panel.repeat ? scope.values(panel.repeat) : [];
    if (!values.length) {
      items.push({ panel, scope, x, y: y - top + shift, w, h });
      continue;
    }
    const across = panel.repeatDirection !== "v";
    const perLine = across ? Math.min(values.length, panel.maxPerRow ?? 4) : 1;
    const width = across ? Math.floor(24 / perLine) : w;
    values.forEach((value, index) =>
      items.push({
        panel,
        scope: scope.with(panel.repeat, value),
        x: across ? (index % perLine) * width : x,
        y: y - top + shift + Math.floor(index / perLine) * h,
        w: width,
        h,
      }),
    );
    shift += (Math.ceil(values.length / perLine) - 1) * h;
  }
  return items;
}
