// Variables of a dashboard, and their substitution in queries, titles and links.
// Source: Grafana 11 documentation, "Variable syntax" and "Global variables".

const NAME = /\$(\w+)|\[\[(\w+)(?::(\w+))?\]\]|\$\{(\w+)(?:\.([^:^}]+))?(?::([^}]+))?\}/g;

export const ALL = "$__all";

/** Variable values by name; a scope can extend another, as in a repeated panel. */
export class Scope {
  constructor(variables = new Map(), builtins = {}) {
    this.variables = variables;
    this.builtins = builtins;
  }

  with(name, value) {
    const variables = new Map(this.variables);
    const old = variables.get(name) ?? {};
    variables.set(name, { ...old, value: [value], text: [value], repeated: true });
    return new Scope(variables, this.builtins);
  }

  withBuiltins(builtins) {
    return new Scope(this.variables, { ...this.builtins, ...builtins });
  }

  /** Return the values as a list; All becomes every option. */
  values(name) {
    const variable = this.variables.get(name);
    if (!variable) return [];
    const chosen = [variable.value].flat();
    return chosen.includes(ALL) ? variable.options.filter((one) => one !== ALL) : chosen;
  }

  isAll(name) {
    return [this.variables.get(name)?.value].flat().includes(ALL);
  }
}

/** Return whether a text mentions a variable. */
export function mentions(text, name) {
  return [...String(text).matchAll(NAME)].some(
    (found) => (found[1] ?? found[2] ?? found[4]) === name,
  );
}

/** Substitute variables; `style` is the format of names without one of their own. */
export function fill(text, scope, style = "text") {
  return String(text ?? "").replace(
    NAME,
    (whole, plain, square, squareFormat, braced, path, format) => {
      const name = plain ?? square ?? braced;
      if (name === "__url_time_range" || name === "__all_variables")
        return scope.builtins[name] ?? "";
      if (Object.hasOwn(scope.builtins, name))
        return String(formatted([scope.builtins[name]], format ?? squareFormat ?? "raw", name));
      if (path && scope.builtins.__paths?.[`${name}.${path}`] !== undefined)
        return formatted([scope.builtins.__paths[`${name}.${path}`]], format ?? "raw", name);
      const variable = scope.variables.get(name);
      if (!variable) return whole;
      return written(variable, scope, name, format ?? squareFormat ?? style);
    },
  );
}

function written(variable, scope, name, format) {
  if (format === "queryparam")
    return [variable.value]
      .flat()
      .map((one) => `var-${name}=${encodeURIComponent(one)}`)
      .join("&");
  // An interval that Grafana computes; it equals the step.
  if (String(variable.value).startsWith("$__auto")) return scope.builtins.__interval ?? "1m";
  if (scope.isAll(name) && variable.allValue && format !== "text") return variable.allValue;
  if (format === "text" && scope.isAll(name)) return "All";
  const values = scope.values(name);
  if (format === "query")
    return variable.multi || variable.includeAll
      ? alternatives(values)
      : values.map(quotable).join(",");
  return formatted(values, format, name);
}

/** Return values as Grafana writes them for Prometheus and Loki: one escaped, several as (a|b). */
function alternatives(values) {
  const escaped = values.map((value) =>
    value.replaceAll("\\", "\\\\\\\\").replace(/[$^*{}[\]'+?.()|]/g, "\\\\$&"),
  );
  return escaped.length === 1 ? escaped[0] : `(${escaped.join("|")})`;
}

const quotable = (value) => String(value).replaceAll("\\", "\\\\").replaceAll('"', '\\"');

const FORMATS = {
  raw: (values) => values.join(","),
  text: (values) => values.join(" + "),
  csv: (values) => values.join(","),
  pipe: (values) => values.join("|"),
  regex: (values) =>
    values.length === 1 ? plainRegex(values[0]) : `(${values.map(plainRegex).join("|")})`,
  json: (values) => JSON.stringify(values),
  glob: (values) => (values.length > 1 ? `{${values.join(",")}}` : values.join("")),
  doublequote: (values) => values.map((value) => `"${quotable(value)}"`).join(","),
  singlequote: (values) =>
    values.map((value) => `'${String(value).replaceAll("'", "\\'")}'`).join(","),
  percentencode: (values) => encodeURIComponent(values.join(",")),
  "date:iso": ([ms]) => new Date(Number(ms)).toISOString(),
  date: ([ms]) => new Date(Number(ms)).toISOString(),
  "date:seconds": ([ms]) => String(Math.floor(Number(ms) / 1000)),
};

const plainRegex = (value) => String(value).replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
const formatted = (values, format) => (FORMATS[format] ?? FORMATS.raw)(values);
