// Prints the decisions of a record file, one line each. Used by scripts/demo.
import { readFileSync } from "node:fs";

const records = readFileSync(process.argv[2], "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
const outcomes = new Map(records.filter((r) => r.type === "outcome").map((r) => [r.decision, r.outcome]));
for (const record of records.filter((r) => r.type === "decision" && r.method === "tools/call")) {
  const { decision } = record;
  const why = decision.verdict === "allow" ? `by ${decision.policies.join(", ")}` : `${decision.kind}: ${decision.detail}`;
  const end = outcomes.get(record.id) ?? "nothing was forwarded";
  console.log(`${record.id}  ${record.item ?? "-"}  ${decision.verdict} ${why}  →  ${end}`);
}
