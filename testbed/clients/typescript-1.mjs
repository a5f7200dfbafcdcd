// The TypeScript SDK 1.x as a client: `node typescript-1.mjs <PLAN`. See README.md.

import { drive, load, visit } from './drive.mjs';

const { Client } = load('@modelcontextprotocol/sdk/client/index.js');
const { SSEClientTransport } = load('@modelcontextprotocol/sdk/client/sse.js');
const { StdioClientTransport } = load('@modelcontextprotocol/sdk/client/stdio.js');
const { StreamableHTTPClientTransport } = load('@modelcontextprotocol/sdk/client/streamableHttp.js');

const TRANSPORTS = {
  http: ({ url }) => new StreamableHTTPClientTransport(new URL(url)),
  sse: ({ url }) => new SSEClientTransport(new URL(url)),
  stdio: ({ command, args, env }) => new StdioClientTransport({ command, args, env, stderr: 'ignore' }),
};

await drive(async (target, seen) => {
  const client = new Client({ name: 'typescript-1', version: '1' });
  const transport = TRANSPORTS[target.transport](target);
  // This generation tells the version to the transport alone, and only the HTTP one keeps it.
  let version = null;
  const told = transport.setProtocolVersion?.bind(transport);
  transport.setProtocolVersion = (agreed) => {
    version = agreed;
    told?.(agreed);
  };
  await client.connect(transport);
  try {
    await visit(client, version, target, seen);
  } finally {
    await client.close();
  }
});
