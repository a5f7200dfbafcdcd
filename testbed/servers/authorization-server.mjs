// A real authorization server (npm oidc-provider) on a free port of 127.0.0.1. See ../README.md.
//
// Client credentials for the clients below, with resource indicators (RFC 8707), access tokens as ES256 JWT (RFC 9068).
// Any MCP endpoint on 127.0.0.1 is a resource it knows. With GATEWAY_JWKS in its environment the client `gateway`
// proves itself with a key (`private_key_jwt`) and may exchange tokens (RFC 8693), which oidc-provider lets be added. With
// OPAQUE_TOKENS access tokens say nothing: the gateway has to ask (RFC 7662), and they can be taken back (RFC 7009).
// It vouches for callers at another such server, which has its URL in TRUSTED_PROVIDER (ID-JAG; added like the exchange).
// Whatever is asked for in detail (RFC 9396) is granted. Clients can register themselves (RFC 7591) and send people, who
// log in with any name and agree; refresh tokens work once. TOKEN_SECONDS is how long access tokens live, LOGIN_REDIRECT where the client `portal` sends people back to.

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const bed = (file) => import(pathToFileURL(join(process.env.PORTCULLIS_BED_NODE_MODULES, file)).href);
const { default: Provider, errors } = await bed('oidc-provider/lib/index.js');
const jose = await bed('jose/dist/webapi/index.js');

const SCOPES = 'mcp notes';
const TOKEN_SECONDS = Number(process.env.TOKEN_SECONDS ?? 300);
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ID_JAG = 'urn:ietf:params:oauth:token-type:id-jag';
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

const { privateKey, publicKey } = await jose.generateKeyPair('ES256', { extractable: true });
const key = { ...(await jose.exportJWK(privateKey)), use: 'sig', alg: 'ES256', kid: 'first' };

const DETAILS = ['mcp_tool_call', 'notes'];

const client = (client_id, client_secret) => ({
  client_id, client_secret, grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
  authorization_details_types: DETAILS,
});

const gateway = process.env.GATEWAY_JWKS && {
  client_id: 'gateway', token_endpoint_auth_method: 'private_key_jwt', jwks: JSON.parse(process.env.GATEWAY_JWKS),
  grant_types: ['client_credentials', EXCHANGE, JWT_BEARER], redirect_uris: [], response_types: [],
  authorization_details_types: DETAILS,
};

const portal = process.env.LOGIN_REDIRECT && {
  client_id: 'portal', client_secret: 'portal-secret', grant_types: ['authorization_code'], response_types: ['code'],
  redirect_uris: [process.env.LOGIN_REDIRECT],
};

function resourceServer(_context, resource) {
  const { hostname, pathname } = new URL(resource);
  if (hostname !== '127.0.0.1' || !/^\/(mcp|sse)(\/|$)/.test(pathname)) {
    throw new errors.InvalidTarget();
  }
  return {
    scope: SCOPES, audience: resource, accessTokenTTL: TOKEN_SECONDS, accessTokenFormat: process.env.OPAQUE_TOKENS ? 'opaque' : 'jwt', jwt: { sign: { alg: 'ES256' } },
  };
}

// A word for another authorization server about the subject of a token of this one
// (draft-ietf-oauth-identity-assertion-authz-grant). Clients have the same id there.
async function vouch(context, issuer, refuse) {
  const { client: { clientId }, params } = context.oidc;
  if (params.subject_token_type !== ACCESS_TOKEN || !params.audience) refuse('request');
  const { payload } = await jose.jwtVerify(params.subject_token, publicKey, { issuer, typ: 'at+jwt' }).catch(() => refuse('subject'));
  const granted = (payload.scope ?? '').split(' ');
  const scope = (params.scope ?? '').split(' ').filter((one) => granted.includes(one)).join(' ');
  const word = new jose.SignJWT({ client_id: clientId, resource: params.resource, scope });
  word.setProtectedHeader({ alg: 'ES256', typ: 'oauth-id-jag+jwt', kid: 'first' }).setIssuer(issuer).setSubject(payload.sub);
  word.setAudience(params.audience).setJti(randomUUID()).setIssuedAt().setExpirationTime('60s');
  context.body = { access_token: await word.sign(privateKey), issued_token_type: ID_JAG, token_type: 'N_A', expires_in: 60 };
}

// A token on the word of TRUSTED_PROVIDER (RFC 7523).
const onItsWord = (issuer) => async (context) => {
  const { client: { clientId }, params } = context.oidc;
  const refuse = (why) => { throw new errors.InvalidGrant(why); };
  const provider = process.env.TRUSTED_PROVIDER ?? refuse('nobody is trusted');
  const keys = jose.createRemoteJWKSet(new URL(`${provider}/jwks`));
  const expected = { issuer: provider, audience: issuer, typ: 'oauth-id-jag+jwt' };
  const { payload } = await jose.jwtVerify(params.assertion, keys, expected).catch(() => refuse('assertion'));
  if (payload.client_id !== clientId || payload.resource !== params.resource) refuse('for another');
  const scope = payload.scope;
  const token = new jose.SignJWT({ scope, client_id: clientId }).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'first' });
  token.setIssuer(issuer).setSubject(payload.sub).setAudience(payload.resource).setJti(randomUUID()).setIssuedAt();
  const access_token = await token.setExpirationTime(`${TOKEN_SECONDS}s`).sign(privateKey);
  context.body = { access_token, token_type: 'Bearer', expires_in: TOKEN_SECONDS, scope };
};

// The subject is a token of this server, the actor one of the client that asks. Scopes can only become fewer, and who
// acted before stays in the chain.
const exchange = (provider, issuer) => async (context) => {
  const { client: { clientId }, params } = context.oidc;
  const refuse = (why) => { throw new errors.InvalidGrant(why); };
  if (params.requested_token_type === ID_JAG) return vouch(context, issuer, refuse);
  if (params.subject_token_type !== ACCESS_TOKEN || params.actor_token_type !== ACCESS_TOKEN) refuse('token type');
  const verified = await jose.jwtVerify(params.subject_token, publicKey, { issuer, typ: 'at+jwt' }).catch(() => refuse('subject'));
  const actor = await provider.ClientCredentials.find(params.actor_token);
  if (actor?.clientId !== clientId) refuse('actor');
  const subject = verified.payload;
  const granted = (subject.scope ?? '').split(' ');
  const scope = params.scope ?? '';
  if (!scope.split(' ').every((one) => granted.includes(one))) throw new errors.InvalidScope('beyond the subject', scope);
  resourceServer(context, params.resource);
  // What was asked for in detail is what is granted.
  const details = params.authorization_details && JSON.parse(params.authorization_details);
  const act = { sub: clientId, ...(subject.act && { act: subject.act }) };
  const token = new jose.SignJWT({ scope, client_id: clientId, act, ...(details && { authorization_details: details }) }).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'first' });
  token.setIssuer(issuer).setSubject(subject.sub).setAudience(params.resource).setJti(randomUUID()).setIssuedAt();
  const access_token = await token.setExpirationTime(`${TOKEN_SECONDS}s`).sign(privateKey);
  context.body = { access_token, issued_token_type: ACCESS_TOKEN, token_type: 'Bearer', expires_in: TOKEN_SECONDS, scope, ...(details && { authorization_details: details }) };
};

// Details (RFC 9396) are granted as they are asked for.
const asked = (context) => JSON.parse(context.oidc.params.authorization_details);
const richAuthorizationRequests = {
  enabled: true,
  types: Object.fromEntries(DETAILS.map((type) => [type, { validate() {} }])),
  authorizationDetailsForGrantSource: asked,
  authorizationDetailsForAccessToken: asked,
  authorizationDetailsForIntrospection: (_context, token) => token.rar,
};

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    jwks: { keys: [key] },
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    clients: [client('agent', 'agent-secret'), client('other', 'other-secret'), ...(gateway ? [gateway] : []), ...(portal ? [portal] : [])],
    scopes: SCOPES.split(' '),
    ttl: { ClientCredentials: TOKEN_SECONDS, AccessToken: TOKEN_SECONDS },
    issueRefreshToken: async (_context, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    features: {
      devInteractions: { enabled: true },
      registration: { enabled: true },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      richAuthorizationRequests,
      resourceIndicators: { enabled: true, useGrantedResource: () => true, getResourceServerInfo: resourceServer },
    },
  });
  const parameters = [
    'subject_token', 'subject_token_type', 'actor_token', 'actor_token_type', 'requested_token_type', 'resource', 'audience', 'scope',
    'authorization_details',
  ];
  provider.registerGrantType(EXCHANGE, exchange(provider, issuer), parameters);
  provider.registerGrantType(JWT_BEARER, onItsWord(issuer), ['assertion', 'resource', 'scope']);
  server.on('request', provider.callback());
  process.stdout.write(`listening on ${issuer}\n`);
});

// Ends with whoever started it.
process.stdin.on('end', () => process.exit(0)).resume();
