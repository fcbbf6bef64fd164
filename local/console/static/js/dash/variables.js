// Loads the options of a dashboard's variables in order of their dependencies, and draws the
// controls above the panels.

import { getJson, prometheus } from "../api.js";
import { create, put } from "../dom.js";
import { labelText } from "../format.js";
import { queryInstant } from "../promql.js";
import { params, setParams } from "../state.js";
import { ALL, fill, mentions, Scope } from "./scope.js";

export class Variables {
  /** Args: list is templating.list; onChange runs after a choice. */
  constructor(list, onChange) {
    this.definitions = list ?? [];
    this.onChange = onChange;
    this.scope = new Scope();
    this.element = create("div", { class: "row variables" });
    this.problems = [];
  }

  async load(bounds) {
    const known = new Map();
    const scope = new Scope(known);
    const problems = [];
    for (const definition of ordered(this.definitions))
      known.set(definition.name, await this.resolve(definition, bounds, scope, problems));
    // Only now: another load may have run in the meantime.
    this.scope = scope;
    this.problems = problems;
    this.draw();
    return this.scope;
  }

  async resolve(definition, bounds, scope, problems) {
    let options = [];
    try {
      options = await optionsOf(definition, scope, bounds);
    } catch (error) {
      problems.push(`$${definition.name}: ${error.message}`);
    }
    if (definition.includeAll) options = [ALL, ...options];
    const variable = {
      name: definition.name,
      options,
      multi: Boolean(definition.multi),
      includeAll: Boolean(definition.includeAll),
      allValue: definition.allValue || null,
    };
    return { ...variable, value: chosenValue(definition, variable) };
  }

  choose(name, value) {
    setParams({ [`var-${name}`]: value }, { push: true });
    this.onChange();
  }

  draw() {
    const visible = this.definitions.filter(
      (one) => Number(one.hide ?? 0) !== 2 && one.type !== "datasource" && one.type !== "constant",
    );
    put(
      this.element,
      visible.map((definition) => this.control(definition)),
      this.problems.map((text) => create("span", { class: "badge bad", title: text }, text)),
    );
  }

  control(definition) {
    const variable = this.scope.variables.get(definition.name);
    const label = definition.label || definition.name;
    const body =
      definition.type === "textbox"
        ? textControl(variable, (value) => this.choose(definition.name, value))
        : definition.type === "adhoc"
          ? create("span", { class: "faint" }, "ad hoc filters are not supported here")
          : variable.multi
            ? multiControl(variable, label, (value) => this.choose(definition.name, value))
            : singleControl(variable, (value) => this.choose(definition.name, value));
    return create(
      "label",
      { class: "variable" },
      create("span", {}, Number(definition.hide) === 1 ? "" : label),
      body,
    );
  }
}

/** Return definitions so that each comes after those that it mentions. */
function ordered(definitions) {
  const left = [...definitions];
  const out = [];
  while (left.length) {
    const index = left.findIndex(
      (one) =>
        !left.some(
          (other) =>
            other !== one && mentions(JSON.stringify([one.query, one.regex ?? ""]), other.name),
        ),
    );
    out.push(...left.splice(Math.max(index, 0), 1));
  }
  return out;
}

function chosenValue(definition, variable) {
  const asked = params().getAll(`var-${definition.name}`);
  const fallback =
    definition.type === "textbox" || definition.type === "constant"
      ? (definition.current?.value ?? definition.query ?? "")
      : definition.current?.value;
  let value = asked.length
    ? asked
    : [fallback].flat().filter((one) => one !== undefined && one !== null && one !== "");
  value = value.map((one) => (one === "All" && variable.includeAll ? ALL : String(one)));
  const fits =
    definition.type === "query"
      ? value.filter((one) => variable.options.includes(one) || asked.includes(one))
      : value;
  if (!fits.length) fits.push(...(variable.includeAll ? [ALL] : variable.options.slice(0, 1)));
  return variable.multi ? fits : (fits[0] ?? "");
}

async function optionsOf(definition, scope, bounds) {
  const text =
    typeof definition.query === "string" ? definition.query : (definition.query?.query ?? "");
  if (definition.type === "query")
    return refined(definition, await askQuery(definition, scope, bounds));
  if (definition.type === "custom" || definition.type === "interval")
    return text.split(/(?<!\\),/).map((one) =>
      one
        .trim()
        .split(/\s+:\s+/)
        .at(-1),
    );
  if (definition.type === "datasource") return ["default"];
  return [String(definition.current?.value ?? text)];
}

async function askQuery(definition, scope, bounds) {
  const { type = "prometheus", uid } = definition.datasource ?? {};
  if (!["prometheus", "loki"].includes(type))
    throw new Error(`only in Grafana: ${type === "unknown" ? `the data source “${uid}”` : type}`);
  const loki = type === "loki";
  const object =
    typeof definition.query === "object" && definition.query !== null ? definition.query : {};
  if (loki && object.label) return lokiValues(fill(object.label, scope, "query"));
  const query = fill(
    typeof definition.query === "string"
      ? definition.query
      : (object.query ?? definition.definition ?? ""),
    scope,
    "query",
  ).trim();
  const call = /^(\w+)\(([\s\S]*)\)$/.exec(query);
  const range = { start: Math.floor(bounds.start), end: Math.ceil(bounds.end) };
  if (call?.[1] === "label_values") {
    const comma = call[2].lastIndexOf(",");
    const [selector, label] =
      comma < 0 || call[2].lastIndexOf("}") > comma
        ? ["", call[2]]
        : [call[2].slice(0, comma), call[2].slice(comma + 1)];
    if (loki) return lokiValues(label.trim());
    return prometheus(`label/${encodeURIComponent(label.trim())}/values`, {
      ...range,
      "match[]": selector.trim(),
    });
  }
  if (call?.[1] === "label_names") return prometheus("labels", range);
  if (call?.[1] === "metrics")
    return (await prometheus("label/__name__/values", range)).filter((name) =>
      new RegExp(call[2] || ".").test(name),
    );
  const { rows } = await queryInstant(call?.[1] === "query_result" ? call[2] : query, bounds.end);
  return rows.map((row) => `${labelText(row.labels)} ${row.value} ${row.ms}`);
}

const lokiValues = async (label) =>
  (await getJson(`/loki/api/v1/label/${encodeURIComponent(label)}/values`)).data;

function refined(definition, values) {
  let out = values;
  if (definition.regex) {
    const [, body, flags] = /^\/(.*)\/(\w*)$/.exec(definition.regex) ?? [
      null,
      `^${definition.regex}$`,
      "",
    ];
    const pattern = new RegExp(body, flags.replace("g", ""));
    out = values
      .map((value) => pattern.exec(value))
      .filter(Boolean)
      .map((found) => found.groups?.value ?? found[1] ?? found[0]);
  }
  out = [...new Set(out)];
  const sort = Number(definition.sort ?? 0);
  const compare =
    sort === 3 || sort === 4
      ? (left, right) => parseFloat(left) - parseFloat(right)
      : (left, right) => left.localeCompare(right);
  if (sort) out.sort(sort % 2 ? compare : (left, right) => compare(right, left));
  return out;
}

const shown = (value) => (value === ALL ? "All" : value);

function singleControl(variable, choose) {
  return create(
    "select",
    { onchange: (event) => choose(event.target.value) },
    [...new Set([...variable.options, variable.value])].map((one) =>
      create("option", { value: one, selected: one === variable.value }, shown(one)),
    ),
  );
}

function textControl(variable, choose) {
  const input = create("input", {
    value: variable.value,
    size: 36,
    class: "mono",
    onchange: () => choose(input.value.trim()),
    onkeydown: (event) => {
      if (event.key === "Enter") input.blur();
    },
  });
  return input;
}

function multiControl(variable, label, choose) {
  const chosen = new Set(variable.value);
  const summary = create(
    "summary",
    { class: "button", "aria-label": `${label}: ${[...chosen].map(shown).join(", ")}` },
    [...chosen].map(shown).join(" + ") || "none",
    " ▾",
  );
  const box = (value) =>
    create(
      "label",
      { class: "option" },
      create("input", {
        type: "checkbox",
        checked: chosen.has(value),
        onchange: (event) => {
          if (value === ALL) {
            chosen.clear();
            chosen.add(ALL);
          } else {
            chosen.delete(ALL);
            if (event.target.checked) chosen.add(value);
            else chosen.delete(value);
          }
          choose([...chosen]);
        },
      }),
      shown(value),
    );
  const details = create(
    "details",
    { class: "multi" },
    summary,
    create(
      "div",
      { class: "popup" },
      variable.options.length
        ? variable.options.map(box)
        : create("span", { class: "muted" }, "no values yet"),
    ),
  );
  details.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !details.contains(event.relatedTarget)) details.open = false;
  });
  details.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      details.open = false;
      summary.focus();
    }
  });
  return details;
}
