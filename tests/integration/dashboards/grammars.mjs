// Reads [["logql" | "traceql", query], ...] from stdin; prints the positions of syntax errors by Grafana's own grammars.
// The argument is a folder with npm's @grafana/lezer-logql and @grafana/lezer-traceql.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const load = createRequire(`${process.argv[2]}/package.json`);
const parsers = {
  logql: load("@grafana/lezer-logql").parser,
  traceql: load("@grafana/lezer-traceql").parser,
};

function syntaxErrors(language, query) {
  const positions = [];
  parsers[language]
    .parse(query)
    .iterate({ enter: (node) => void (node.type.isError && positions.push(node.from)) });
  return positions;
}

const queries = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(
  JSON.stringify(queries.map(([language, query]) => syntaxErrors(language, query))),
);
