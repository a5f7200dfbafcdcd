// The TypeScript SDK 2.x as a client: `node typescript-2.mjs legacy|auto|2026-07-28 <PLAN`. See README.md.

import { drive, load, visit } from './drive.mjs';

const { Client, ClientCredentialsProvider, SSEClientTransport, StreamableHTTPClientTransport } = load('@modelcontextprotocol/client');
const { StdioClientTransport } = load('@modelcontextprotocol/client/stdio');

const TRANSPORTS = {
  http: ({ url, credentials }) => new StreamableHTTPClientTransport(new URL(url), { authProvider: credentials && new ClientCredentialsProvider(credentials) }),
  sse: ({ url }) => new SSEClientTransport(new URL(url)),
  stdio: ({ command, args, env }) => new StdioClientTransport({ command, args, env, stderr: 'ignore' }),
};

const wanted = process.argv[2];
const mode = ['legacy', 'auto'].includes(wanted) ? wanted : { pin: wanted };

await drive(async (target, seen) => {
  const client = new Client({ name: 'typescript-2', version: '1' }, { versionNegotiation: { mode } });
  await client.connect(TRANSPORTS[target.transport](target));
  try {
    await visit(client, client.getNegotiatedProtocolVersion(), target, seen);
  } finally {
    await client.close();
  }
});
