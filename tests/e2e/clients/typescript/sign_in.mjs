// Signs in at a protected endpoint with the official TypeScript client, and uses it.
//
// sign_in.mjs URL TOOL [CLIENT_METADATA_URL]    without the third, the client registers itself
//
// Nothing else is told: where to sign in the endpoint says. The person at the browser is asked for by
// `OPEN <address> <end>`; where they arrived is read from standard input.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

// The packages live where the task runner installed them, not beside this file.
const require = createRequire(join(process.cwd(), 'package.json'));
const client_package = pathToFileURL(require.resolve('@modelcontextprotocol/client')).href;
const { Client, StreamableHTTPClientTransport, UnauthorizedError } = await import(client_package);

const [url, tool, document] = process.argv.slice(2);
const CALLBACK = 'http://127.0.0.1:51764/callback';
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const memory = { saved: 0 };
const provider = {
    redirectUrl: CALLBACK,
    clientMetadataUrl: document,
    clientMetadata: {
        client_name: 'A TypeScript program',
        redirect_uris: [CALLBACK],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
        application_type: 'native',
    },
    state: () => 'a state of the client',
    clientInformation: () => memory.client,
    saveClientInformation: (client) => { memory.client = client; },
    tokens: () => memory.tokens,
    saveTokens: (tokens) => {
        memory.tokens = tokens;
        memory.saved += 1;
    },
    saveCodeVerifier: (verifier) => { memory.verifier = verifier; },
    codeVerifier: () => memory.verifier,
    saveDiscoveryState: (state) => { memory.discovery = state; },
    discoveryState: () => memory.discovery,
    redirectToAuthorization: (address) => { memory.address = address.href; },
};

async function connect(mode) {
    const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: provider });
    const client = new Client(
        { name: 'portcullis-e2e', version: '1.0.0' },
        { versionNegotiation: { mode: mode === 'legacy' ? 'legacy' : { pin: mode } } },
    );
    try {
        await client.connect(transport);
    } catch (error) {
        if (!(error instanceof UnauthorizedError) || !memory.address) throw error;
        console.log(`OPEN ${memory.address} ${CALLBACK}`);
        memory.address = undefined;
        const { value } = await answers.next();
        const arrived = new URL(value).searchParams;
        assert.equal(arrived.get('error'), null, value);
        assert.equal(arrived.get('state'), 'a state of the client');
        assert(arrived.get('iss'), `the response does not say whose it is (RFC 9207): ${value}`);
        await transport.finishAuth(arrived);
        return connect(mode);
    }
    return client;
}

async function use(mode) {
    const client = await connect(mode);
    const { tools } = await client.listTools();
    assert(tools.some(({ name }) => name === tool), JSON.stringify(tools.map(({ name }) => name)));
    const result = await client.callTool({ name: tool, arguments: {} });
    assert(!result.isError, JSON.stringify(result));
    await client.close();
}

await use('legacy');
if (document) assert.equal(memory.client.client_id, document);
const first = memory.tokens;
assert(first.refresh_token, JSON.stringify(Object.keys(first)));
// The access token is worth nothing any more: without a person.
memory.tokens = { ...first, access_token: `${first.access_token}x` };
await use('2026-07-28');
assert.notEqual(memory.tokens.refresh_token, first.refresh_token, 'refresh tokens rotate');
console.log(`signed in, and stayed so; ${memory.saved} times tokens came`);
process.exit(0);
