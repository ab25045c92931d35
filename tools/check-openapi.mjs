// check-openapi: lints openapi.yaml with the rules of redocly.yaml; prints what is wrong, TAP at the end.
import { formatProblems, getTotals, lint, loadConfig } from "@redocly/openapi-core";

const contract = new URL("../openapi.yaml", import.meta.url).pathname;
const rules = new URL("../redocly.yaml", import.meta.url).pathname;

const config = await loadConfig({ configPath: rules });
const problems = await lint({ ref: contract, config });
const totals = getTotals(problems);
const clean = totals.errors + totals.warnings === 0;

if (!clean)
  formatProblems(problems, { format: "stylish", totals, version: "" });
console.log(`${clean ? "ok" : "not ok"} 1 - openapi.yaml`);
console.log("1..1");
process.exitCode = clean ? 0 : 1;
