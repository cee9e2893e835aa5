// The identity provider of people at a command line: panva's oidc-provider with a public native client, authorization
// code with PKCE to any port of loopback, refresh tokens that are good once, and the device flow. Its own development
// pages ask for a name; any password will do.
//
// usage: node command_line.mjs SETTINGS.json
// SETTINGS: { certificate, key, people: { name: { groups } }, lifetimes: { client_id: seconds of its ID tokens } }
// Listens on a loopback port that the kernel gives and prints the issuer's address.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

import Provider from 'oidc-provider';

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));

function signingKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: 'command-line-1', use: 'sig', alg: 'RS256' };
}

function registration(id) {
  return {
    client_id: id,
    application_type: 'native',
    redirect_uris: ['http://127.0.0.1/callback'],
    grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  };
}

function account(name) {
  const person = settings.people[name];
  if (!person) return undefined;
  const claims = { sub: name, email: `${name}@acme.test`, email_verified: true, groups: person.groups };
  return { accountId: name, claims: async () => claims };
}

function configuration() {
  return {
    clients: Object.keys(settings.lifetimes).map(registration),
    claims: { openid: ['sub'], email: ['email', 'email_verified'], groups: ['groups'] },
    conformIdTokenClaims: false,
    cookies: { keys: [randomBytes(32).toString('hex')] },
    features: {
      deviceFlow: { enabled: true },
      devInteractions: { enabled: true },
      revocation: { enabled: true },
    },
    findAccount: (_context, name) => account(name),
    jwks: { keys: [signingKey()] },
    pkce: { required: () => true },
    scopes: ['openid', 'email', 'groups', 'offline_access'],
    ttl: {
      AccessToken: 3600,
      DeviceCode: 600,
      Grant: 3600,
      IdToken: (_context, _token, client) => settings.lifetimes[client.clientId],
      Interaction: 600,
      RefreshToken: 3600,
      Session: 3600,
    },
  };
}

const server = createServer({ cert: readFileSync(settings.certificate), key: readFileSync(settings.key) });

server.listen(0, '127.0.0.1', () => {
  const issuer = `https://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, configuration());
  server.on('request', provider.callback());
  console.log(`issuer ${issuer}`);
});
process.on('SIGTERM', () => process.exit(0));
