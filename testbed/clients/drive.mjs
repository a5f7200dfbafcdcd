// What the TypeScript clients have in common: reads a plan, does it, prints what was seen. See README.md.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

// Servers are started one after another by the operating system anyway; more at once only grows the queue.
const CONCURRENT = 4;

// The packages lie in the test bed, not beside this file.
export const load = createRequire(join(process.env.PORTCULLIS_BED_NODE_MODULES, 'from-the-bed.js'));

export function empty(target) {
  return {
    target: target.name, version: null, tools: [], calls: [], resources: [], reads: [], prompts: [], got: [], error: null,
  };
}

export const text = (blocks) => blocks.filter((block) => block.text !== undefined).map((block) => block.text).join('\n');

// Runs `visit(target, seen)` for every target of the plan, a few at a time.
export async function drive(visit) {
  const targets = JSON.parse(readFileSync(0, 'utf8'));
  const worker = async () => {
    for (let target = targets.shift(); target !== undefined; target = targets.shift()) {
      const seen = empty(target);
      try {
        await visit(target, seen);
      } catch (error) {
        seen.error = error.stack ?? String(error);
      }
      process.stdout.write(`${JSON.stringify(seen)}\n`);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT }, worker));
}

// What both generations of the SDK do with a connected client. `version` differs between them.
export async function visit(client, version, target, seen) {
  seen.version = version;
  if (target.list) {
    seen.tools = (await everything((page) => client.listTools(page), 'tools')).map((tool) => tool.name);
  }
  for (const call of target.calls) {
    const result = await client.callTool(call);
    seen.calls.push({ text: text(result.content), failed: result.isError === true });
  }
  for (const uri of target.reads) {
    seen.reads.push(text((await client.readResource({ uri })).contents));
  }
  if (target.reads.length > 0) {
    seen.resources = (await everything((page) => client.listResources(page), 'resources')).map((item) => item.uri);
  }
  for (const prompt of target.prompts) {
    const { messages } = await client.getPrompt(prompt);
    seen.got.push(text(messages.map((message) => message.content)));
  }
  if (target.prompts.length > 0) {
    seen.prompts = (await everything((page) => client.listPrompts(page), 'prompts')).map((item) => item.name);
  }
}

async function everything(list, member) {
  const items = [];
  let cursor;
  do {
    const page = await list(cursor === undefined ? {} : { cursor });
    items.push(...page[member]);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return items;
}
