// Names the settings of a panel that change what Grafana shows and that are not drawn here.
//
// What is listed is drawn here, or changes only how it looks. All else is named, so that a setting
// that this file does not know is named too.

import { SERIES_TRANSFORMATIONS, TABLE_TRANSFORMATIONS } from "./transform.js";

const words = (text) => new Set(text.split(/\s+/).filter(Boolean));

const LEGEND =
  "showLegend displayMode placement calcs hideZero hideEmpty width sortBy sortDesc asTable isVisible show";
const REDUCED = "reduceOptions text orientation";
const OPTIONS = {
  timeseries: words("legend tooltip dataLinks alertThreshold graph"),
  stat: words(`${REDUCED} textMode colorMode graphMode justifyMode wideLayout sizing
    percentChangeColorMode`),
  gauge: words(`${REDUCED} showThresholdMarkers sizing minVizWidth minVizHeight effects barShape
    barWidthFactor segmentCount segmentSpacing sparkline shape endpointMarker glow textMode`),
  bargauge: words(`${REDUCED} displayMode showUnfilled sizing minVizWidth minVizHeight maxVizHeight
    namePlacement legend valueMode`),
  heatmap: words(`color yAxis cellGap cellRadius cellValues showValue filterValues legend tooltip
    exemplars rowsFrame selectionMode`),
  table: words(`showHeader sortBy frameIndex cellHeight showTypeIcons enablePagination
    disableKeyboardEvents maxRowHeight`),
  logs: words(`showTime sortOrder wrapLogMessage prettifyLogMessage enableLogDetails fontSize
    enableInfiniteScrolling showLogContextToggle syntaxHighlighting controls logRowMenuIconsBefore
    logRowMenuIconsAfter showControls detailsMode timestampResolution unwrappedColumns`),
  traces: words(""),
  text: words("content mode code"),
  alertlist: words("stateFilter maxItems alertName showOptions"),
};
// Written by the editor, or left over from the type that a panel had before.
const LEFT_OVER = words(
  "legend tooltip tooltipOptions baseColor dataLinks footer.enablePagination",
);
const NESTED = {
  "options.legend": words(LEGEND),
  "options.reduceOptions": words("calcs values limit fields"),
  "options.yAxis": words("unit decimals axisPlacement axisLabel axisWidth"),
  "options.color": words("scheme exponent steps fill mode scale"),
};
const DEFAULTS = words(`unit decimals min max thresholds mappings color noValue displayName links
  custom description displayNameFromDS nullValueMode filterable unitScale`);
const CUSTOM = {
  timeseries: words(`drawStyle lineWidth fillOpacity lineStyle stacking lineInterpolation spanNulls
    axisPlacement transform axisSoftMin axisSoftMax scaleDistribution thresholdsStyle nullsAsZero
    hideFrom showPoints pointSize pointSymbol gradientMode axisLabel axisColorMode axisBorderShow
    axisGridShow axisWidth barAlignment barWidthFactor barMaxWidth lineColor fillColor`),
  table: words(`align width minWidth displayMode cellOptions hidden hideFrom filterable inspect
    wrapText wrapHeaderText tooltip`),
  heatmap: words("hideFrom scaleDistribution"),
};
const QUIET_CUSTOM = words("neutral hideFrom align");
const MATCHERS = words("byName byRegexp byFrameRefID byType byNames");
const CELLS = words(
  "auto color-text color-background color-background-solid gauge basic lcd-gauge gradient-gauge",
);
const COLORS = words(
  "fixed thresholds palette-classic palette-classic-by-name continuous-GrYlRd continuous-RdYlGr continuous-BlPu continuous-blues",
);
/** Return sentences' ends, such as `the option “x”`, for a panel in the current schema. */
export function notesOf(panel) {
  return [
    ...new Set([
      ...(panel.notes ?? []),
      ...optionNotes(panel),
      ...fieldNotes(panel),
      ...transformationNotes(panel),
      ...targetNotes(panel),
    ]),
  ];
}

const plain = (value) =>
  value === null ||
  value === undefined ||
  value === false ||
  ["", "none", "auto", "off", 0].includes(value) ||
  (Array.isArray(value) && !value.length) ||
  (typeof value === "object" &&
    !Array.isArray(value) &&
    !Object.values(value).some((one) => !plain(one)));

const unknown = (found, known) =>
  Object.entries(found ?? {})
    .filter(([name, value]) => !known.has(name) && !plain(value))
    .map(([name]) => name);

function optionNotes(panel) {
  const known = OPTIONS[panel.type];
  if (!known) return [];
  const { options = {}, type } = panel;
  const out = unknown(options, known).filter((name) => !LEFT_OVER.has(name));
  for (const name of ["legend", "reduceOptions", "yAxis", "color"])
    if (known.has(name))
      out.push(...unknown(options[name], NESTED[`options.${name}`]).map((one) => `${name}.${one}`));
  if (options.valueMode === "hidden") out.push("valueMode");
  if (type === "heatmap" && options.calculate) out.push("calculate");
  return [...new Set(out)].map((name) => `the option “${name}”`);
}

function fieldNotes({ type, fieldConfig = {} }) {
  if (!OPTIONS[type]) return [];
  const { defaults = {}, overrides = [] } = fieldConfig;
  const out = unknown(defaults, DEFAULTS).map((name) => `the field setting “${name}”`);
  for (const [name, value] of Object.entries(defaults.custom ?? {}))
    out.push(...customNotes(type, name, value));
  out.push(...colorNotes(defaults.color));
  for (const { matcher, properties } of overrides) {
    const zeros = matcher.id === "byValue" && matcher.options?.reducer === "allIsZero";
    if (!zeros && !MATCHERS.has(matcher.id)) out.push(`overrides that match “${matcher.id}”`);
    for (const { id, value } of properties)
      if (id.startsWith("custom.")) out.push(...customNotes(type, id.slice(7), value));
      else if (id === "color") out.push(...colorNotes(value));
      else if (!DEFAULTS.has(id)) out.push(`overrides of “${id}”`);
  }
  return out;
}

function customNotes(type, name, value) {
  if (plain(value)) return [];
  if (name === "scaleDistribution" && value.type === "symlog") return ["a symlog axis"];
  if (name === "cellOptions" && value?.type && !CELLS.has(value.type))
    return [`cells of the type “${value.type}”`];
  if (name === "axisPlacement" && value === "hidden") return ["a hidden axis"];
  if (name === "transform" && value !== "negative-Y") return [`the transform “${value}”`];
  if (name === "spanNulls" && typeof value === "number") return ["gaps bridged up to a length"];
  const known = CUSTOM[type] ?? QUIET_CUSTOM;
  return known.has(name.split(".")[0]) ? [] : [`the field setting “${name}”`];
}

function colorNotes(color) {
  if (!color || COLORS.has(color.mode)) return [];
  return [`the color scheme “${color.mode}”`];
}

function transformationNotes({ type, transformations = [] }) {
  const known = type === "table" ? TABLE_TRANSFORMATIONS : SERIES_TRANSFORMATIONS;
  return transformations
    .filter((one) => !one.disabled && !known.includes(one.id))
    .map((one) => `the transformation “${one.id}”`);
}

const TABLES = words("traces spans raw");

function targetNotes({ targets = [] }) {
  const out = [];
  for (const target of targets.filter((one) => !one.hide)) {
    if (target.datasource?.type === "loki" && !plain(target.resolution) && target.resolution !== 1)
      out.push("the resolution of a query");
    if (target.datasource?.type === "loki" && target.direction === "forward")
      out.push("the direction of a query");
    if (target.datasource?.type === "tempo" && target.tableType && !TABLES.has(target.tableType))
      out.push(`traces as “${target.tableType}”`);
  }
  return out;
}
