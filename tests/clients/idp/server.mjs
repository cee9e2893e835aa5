// The identity provider of the client suite: panva's oidc-provider, issuing signed JWT access tokens by
// client_credentials. A client's id becomes the token's `sub`; its groups become the `groups` claim.
//
// usage: node server.mjs SETTINGS.json
// A client with `claims` gets them into its tokens in place of the provider's own, so that a token has the shape of another
// provider's; `null` leaves one out.
//
// SETTINGS: { certificate, key, audience, clients: [{ id, secret, groups, claims, lifetime }] }, `lifetime` in
// seconds
// Listens on a loopback port that the kernel gives and prints the issuer's address.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

import Provider from 'oidc-provider';

// Of clients whose settings name no `lifetime`.
const TOKEN_LIFETIME_SECONDS = 3600;

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const groupsOf = new Map(settings.clients.map((client) => [client.id, client.groups ?? []]));
const claimsOf = new Map(settings.clients.map((client) => [client.id, client.claims ?? {}]));
const lifetimeOf = new Map(settings.clients.map((client) => [client.id, client.lifetime ?? TOKEN_LIFETIME_SECONDS]));

function signingKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: 'suite-1', use: 'sig', alg: 'RS256' };
}

function registration(client) {
  return {
    client_id: client.id,
    client_secret: client.secret,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'client_secret_post',
  };
}

function reshape(_context, token, jwt) {
  for (const [name, value] of Object.entries(claimsOf.get(token.clientId) ?? {})) {
    if (value === null) {
      delete jwt.payload[name];
    } else {
      jwt.payload[name] = value;
    }
  }
}

function configuration() {
  return {
    clients: settings.clients.map(registration),
    cookies: { keys: [randomBytes(32).toString('hex')] },
    extraTokenClaims: (_context, token) => ({ groups: groupsOf.get(token.clientId) }),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => settings.audience,
        getResourceServerInfo: (_context, resource) => ({
          scope: '',
          audience: resource,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    formats: { customizers: { jwt: reshape } },
    jwks: { keys: [signingKey()] },
    ttl: { ClientCredentials: (_context, _token, client) => lifetimeOf.get(client.clientId) },
  };
}

const server = createServer({
  cert: readFileSync(settings.certificate),
  key: readFileSync(settings.key),
});

// The issuer's name carries the port, so the provider can only be built once the socket is bound.
server.listen(0, '127.0.0.1', () => {
  const issuer = `https://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, configuration());
  server.on('request', provider.callback());
  console.log(`issuer ${issuer}`);
});
process.on('SIGTERM', () => process.exit(0));
