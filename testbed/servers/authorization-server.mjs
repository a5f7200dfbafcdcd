// A real authorization server (npm oidc-provider) on a free port of 127.0.0.1. See ../README.md.
//
// Client credentials for the clients below, with resource indicators (RFC 8707), access tokens as ES256 JWT (RFC 9068).
// Any MCP endpoint on 127.0.0.1 is a resource it knows.

import { createServer } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const bed = (file) => import(pathToFileURL(join(process.env.PORTCULLIS_BED_NODE_MODULES, file)).href);
const { default: Provider, errors } = await bed('oidc-provider/lib/index.js');
const jose = await bed('jose/dist/webapi/index.js');

const SCOPES = 'mcp notes';
const TOKEN_SECONDS = 300;

const { privateKey } = await jose.generateKeyPair('ES256', { extractable: true });
const key = { ...(await jose.exportJWK(privateKey)), use: 'sig', alg: 'ES256', kid: 'first' };

const client = (client_id, client_secret) => ({
  client_id, client_secret, grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
});

function resourceServer(_context, resource) {
  const { hostname, pathname } = new URL(resource);
  if (hostname !== '127.0.0.1' || !/^\/(mcp|sse)(\/|$)/.test(pathname)) {
    throw new errors.InvalidTarget();
  }
  return {
    scope: SCOPES, audience: resource, accessTokenTTL: TOKEN_SECONDS, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } },
  };
}

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    jwks: { keys: [key] },
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    clients: [client('agent', 'agent-secret'), client('other', 'other-secret')],
    scopes: SCOPES.split(' '),
    ttl: { ClientCredentials: TOKEN_SECONDS },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: { enabled: true, useGrantedResource: () => true, getResourceServerInfo: resourceServer },
    },
  });
  server.on('request', provider.callback());
  process.stdout.write(`listening on ${issuer}\n`);
});

// Ends with whoever started it.
process.stdin.on('end', () => process.exit(0)).resume();
