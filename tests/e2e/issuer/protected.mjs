// An MCP server of 2025-11-25 that knows people: a resource of an authorization server (RFC 9728) that
// takes its tokens (RFC 9068) and none else. `whoami` says whose the token was.
//
// protected.mjs PORT ISSUER
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

// The package lives where the task runner installed it, not beside this file.
const require = createRequire(join(process.cwd(), 'package.json'));
const { createRemoteJWKSet, jwtVerify } = await import(pathToFileURL(require.resolve('jose')).href);

const [port, issuer] = process.argv.slice(2);
const resource = `http://localhost:${port}/mcp`;
const metadata = `http://localhost:${port}/.well-known/oauth-protected-resource/mcp`;
const discovered = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
const keys = createRemoteJWKSet(new URL(discovered.jwks_uri));

const tools = [
    { name: 'whoami', description: 'Says who you are here.', inputSchema: { type: 'object' } },
];
const answers = {
    initialize: () => ({
        protocolVersion: '2025-11-25',
        capabilities: { tools: {} },
        serverInfo: { name: 'protected', version: '1.0.0' },
    }),
    'tools/list': () => ({ tools }),
    'tools/call': (who) => ({ content: [{ type: 'text', text: `You are ${who}.` }] }),
    ping: () => ({}),
};

async function who(request) {
    const [scheme, token] = (request.headers.authorization ?? '').split(' ');
    if (scheme !== 'Bearer') return undefined;
    const rules = { issuer, audience: resource, typ: 'at+jwt' };
    return jwtVerify(token, keys, rules).then(({ payload }) => payload.sub, () => undefined);
}

createServer(async (request, response) => {
    const say = (status, body, headers = {}) => {
        response.writeHead(status, { 'content-type': 'application/json', ...headers });
        response.end(body === undefined ? '' : JSON.stringify(body));
    };
    if (request.url === '/health') return say(200, {});
    if (request.url === new URL(metadata).pathname) {
        return say(200, { resource, authorization_servers: [issuer], scopes_supported: ['tools'] });
    }
    if (request.method !== 'POST' || request.url !== '/mcp') return say(405);
    const person = await who(request);
    if (!person) {
        return say(401, undefined, { 'www-authenticate': `Bearer resource_metadata="${metadata}"` });
    }
    let text = '';
    for await (const piece of request) text += piece;
    const { id, method } = JSON.parse(text);
    if (id === undefined) return say(202);
    const answer = answers[method];
    return say(200, answer
        ? { jsonrpc: '2.0', id, result: answer(person) }
        : { jsonrpc: '2.0', id, error: { code: -32601, message: 'Method not found' } });
}).listen(Number(port), '127.0.0.1');
