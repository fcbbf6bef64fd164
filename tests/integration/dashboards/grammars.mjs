// Reads [["logql" | "traceql", query], ...] from stdin; prints the places that Grafana's own grammars refuse.
// Source of the grammars: npm's @grafana/lezer-logql and @grafana/lezer-traceql, in the folder named by the argument.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const load = createRequire(process.argv[2] + "/package.json");
const parsers = {
  logql: load("@grafana/lezer-logql").parser,
  traceql: load("@grafana/lezer-traceql").parser,
};

function refused(language, query) {
  const places = [];
  parsers[language].parse(query).iterate({ enter: (node) => void (node.type.isError && places.push(node.from)) });
  return places;
}

const asked = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(asked.map(([language, query]) => refused(language, query))));
