// Another identity provider of the client suite: panva's oidc-provider for people, who log in with a browser. Its own
// development pages ask for a name and an agreement; any password will do.
//
// usage: node people.mjs SETTINGS.json
// SETTINGS: { certificate, key, client: { id, secret, redirect }, people: { name: { groups } } }
// Listens on a loopback port that the kernel gives and prints the issuer's address.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

import Provider from 'oidc-provider';

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));

function signingKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: 'people-1', use: 'sig', alg: 'RS256' };
}

function account(name) {
  const person = settings.people[name];
  if (!person) return undefined;
  const claims = { sub: name, email: `${name}@acme.test`, email_verified: true, groups: person.groups };
  return { accountId: name, claims: async () => claims };
}

function configuration() {
  const { id, secret, redirect } = settings.client;
  return {
    clients: [
      {
        client_id: id,
        client_secret: secret,
        redirect_uris: [redirect],
        grant_types: ['authorization_code'],
        response_types: ['code'],
        token_endpoint_auth_method: 'client_secret_basic',
      },
    ],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], groups: ['groups'] },
    // Claims of scopes in the ID token, as most providers of companies do.
    conformIdTokenClaims: false,
    cookies: { keys: [randomBytes(32).toString('hex')] },
    features: { devInteractions: { enabled: true } },
    findAccount: (_context, name) => account(name),
    jwks: { keys: [signingKey()] },
    pkce: { required: () => true },
    ttl: { IdToken: 3600, Interaction: 600, Grant: 3600, Session: 3600, AccessToken: 3600 },
  };
}

const server = createServer({
  cert: readFileSync(settings.certificate),
  key: readFileSync(settings.key),
});

server.listen(0, '127.0.0.1', () => {
  const issuer = `https://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, configuration());
  server.on('request', provider.callback());
  console.log(`issuer ${issuer}`);
});
process.on('SIGTERM', () => process.exit(0));
