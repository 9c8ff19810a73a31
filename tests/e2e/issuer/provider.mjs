// An issuer that we did not write: the certified `oidc-provider`, with resource indicators.
//
// provider.mjs PORT [GATEWAY]
//
// POST /rotate: a new key signs from now on, the one before stays published. With the origin of a
// gateway people sign in here with any name and any password: `portcullis` is the gateway's client
// for its own sign-in, and it may register others.
import { createRequire } from 'node:module';
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

// The package lives where the task runner installed it, not beside this file.
const require = createRequire(join(process.cwd(), 'package.json'));
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')).href);

const port = Number(process.argv[2]);
const issuer = `http://localhost:${port}`;
const gateway = process.argv[3];

const newKey = () => ({
    ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
    use: 'sig',
    alg: 'ES256',
});
let keys = [newKey()];

const client = (id, more) => ({
    client_id: id,
    client_secret: `the-secret-of-${id}`,
    redirect_uris: [],
    response_types: [],
    grant_types: [],
    id_token_signed_response_alg: 'ES256',
    ...more,
});

const provider = () => new Provider(issuer, {
    jwks: { keys },
    scopes: ['tools'],
    clients: [
        client('agent', {
            grant_types: ['client_credentials'],
            token_endpoint_auth_method: 'client_secret_post',
        }),
        client('gateway', { token_endpoint_auth_method: 'client_secret_basic' }),
        ...(gateway ? [client('portcullis', {
            redirect_uris: [`${gateway}/login/callback`],
            response_types: ['code'],
            grant_types: ['authorization_code'],
        })] : []),
    ],
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    findAccount: (_context, id) => ({
        accountId: id,
        claims: () => ({ sub: id, name: id, email: `${id}@example.com` }),
    }),
    claims: { openid: ['sub'], email: ['email'], profile: ['name'] },
    // Claims of scopes stand in ID tokens too.
    conformIdTokenClaims: false,
    features: {
        devInteractions: { enabled: Boolean(gateway) },
        registration: { enabled: Boolean(gateway) },
        revocation: { enabled: Boolean(gateway) },
        clientCredentials: { enabled: true },
        introspection: {
            enabled: true,
            allowedPolicy: (_context, asking) => asking.clientId === 'gateway',
        },
        resourceIndicators: {
            enabled: true,
            getResourceServerInfo: (_context, resource) => ({
                scope: 'tools',
                audience: resource,
                accessTokenTTL: 600,
                accessTokenFormat: resource.endsWith('/opaque') ? 'opaque' : 'jwt',
                jwt: { sign: { alg: 'ES256' } },
            }),
        },
    },
});

let answer = provider().callback();
createServer((request, response) => {
    if (request.method === 'POST' && request.url === '/rotate') {
        keys = [newKey(), keys[0]];
        answer = provider().callback();
        response.end();
        return;
    }
    answer(request, response);
}).listen(port, '127.0.0.1');
