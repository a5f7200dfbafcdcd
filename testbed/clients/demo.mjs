// Calls tools of server-filesystem through a gateway, with the TypeScript SDK. Used by scripts/demo.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import path from "node:path";

const modules = process.env.PORTCULLIS_BED_NODE_MODULES;
const require = createRequire(path.join(modules, "anchor.js"));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { Client } = await load("@modelcontextprotocol/sdk/client/index.js");
const { StdioClientTransport } = await load("@modelcontextprotocol/sdk/client/stdio.js");

const [notes, , command, ...args] = process.argv.slice(2);
const client = new Client({ name: "demo", version: "1.0.0" });
await client.connect(new StdioClientTransport({ command, args, stderr: "ignore" }));

const { tools } = await client.listTools();
console.log(`tools the policy lets this client see: ${tools.map((tool) => tool.name).join(", ")}`);

const attempts = [
  ["allowed ", "read_text_file", { path: path.join(notes, "hello.txt") }],
  ["refused ", "read_text_file", { path: 7 }],
  ["refused ", "write_file", { path: path.join(notes, "written.txt"), content: "no" }],
];
let surprises = 0;
for (const [expected, name, argument] of attempts) {
  let outcome;
  try {
    const result = await client.callTool({ name, arguments: argument });
    outcome = `allowed : ${result.content[0].text.trim()}`;
  } catch (error) {
    outcome = `refused : ${error.message}`;
  }
  console.log(`${name}(${JSON.stringify(argument)})\n  ${outcome}`);
  if (!outcome.startsWith(expected)) surprises += 1;
}
await client.close();
process.exit(surprises);
