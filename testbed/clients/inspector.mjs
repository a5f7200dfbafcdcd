// The inspector's command line as a client: `node inspector.mjs legacy|auto|modern <PLAN`. See README.md.
//
// Each operation is a process of its own, as when a person or a script uses it.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { drive, text } from './drive.mjs';

const PROGRAM = join(
  process.env.PORTCULLIS_BED_NODE_MODULES,
  '@modelcontextprotocol/inspector/clients/launcher/build/index.js',
);
const era = process.argv[2];
const run = promisify(execFile);

function place(target) {
  if (target.transport === 'stdio') return [target.command, ...target.args];
  return ['--server-url', target.url, '--transport', target.transport];
}

async function ask(target, method, options = []) {
  // How quick the machine is that starts a server is not what is tried here.
  const patience = ['--connect-timeout', '100000'];
  const asked = ['--method', method, '--protocol-era', era, '--format', 'json', '--quiet', ...patience, ...options];
  // What follows `--` is the server's command line; a URL is an option of the inspector.
  const variables = Object.entries(target.env ?? {}).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
  const words = target.transport === 'stdio'
    ? [...asked, ...variables, '--', ...place(target)]
    : [...place(target), ...asked];
  const { stdout } = await run(process.execPath, [PROGRAM, '--cli', ...words], {
    maxBuffer: 64 * 1024 * 1024,
    timeout: 120_000,
  });
  return JSON.parse(stdout).result;
}

await drive(async (target, seen) => {
  if (target.list) {
    seen.tools = (await ask(target, 'tools/list')).tools.map((tool) => tool.name);
  }
  for (const { name, arguments: given } of target.calls) {
    const options = ['--tool-name', name, '--tool-args-json', JSON.stringify(given)];
    const result = await ask(target, 'tools/call', options);
    seen.calls.push({ text: text(result.content), failed: result.isError === true });
  }
  for (const uri of target.reads) {
    seen.reads.push(text((await ask(target, 'resources/read', ['--uri', uri])).contents));
  }
  for (const { name, arguments: given } of target.prompts) {
    const pairs = Object.entries(given).flatMap(([key, value]) => ['--prompt-args', `${key}=${value}`]);
    const { messages } = await ask(target, 'prompts/get', ['--prompt-name', name, ...pairs]);
    seen.got.push(text(messages.map((message) => message.content)));
  }
});
