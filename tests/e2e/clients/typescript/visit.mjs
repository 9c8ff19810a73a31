// Visits a server of the official suite through the gateway, with the official TypeScript client.
//
// visit.mjs URL KEY REVISION SCENARIO CONTEXT
//
// Whenever the gateway says that an account has to be connected, in whatever form its revision has
// for it, this prints `OPEN <address>`, waits for a line that says that somebody was there, and goes on.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

// The packages live where the task runner installed them, not beside this file.
const require = createRequire(join(process.cwd(), 'package.json'));
const client_package = pathToFileURL(require.resolve('@modelcontextprotocol/client')).href;
const { Client, StreamableHTTPClientTransport } = await import(client_package);

const [url, key, revision, scenario, told] = process.argv.slice(2);
const context = JSON.parse(told);
// More often than any gateway may ask: where it does not stop by itself, the suite sees it.
const PATIENCE = 5;
const CONNECT = -32042;

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function open(address) {
    console.log(`OPEN ${address}`);
    const answer = await answers.next();
    assert(!answer.done, 'nobody is at the browser');
}

const client = new Client(
    { name: 'portcullis-e2e', version: '1.0.0' },
    {
        capabilities: {
            elicitation: { form: { applyDefaults: true }, url: {} },
            sampling: {},
            roots: {},
        },
        versionNegotiation: { mode: revision === '2026-07-28' ? { pin: revision } : 'legacy' },
    },
);
let opened = 0;
client.setRequestHandler('elicitation/create', async ({ params }) => {
    if (params.mode === 'url') {
        opened += 1;
        await open(params.url);
        return { action: 'accept' };
    }
    const asked = params.requestedSchema.properties;
    const content = 'confirmed' in asked ? { confirmed: true } : {};
    return { action: 'accept', content };
});
client.setRequestHandler('sampling/createMessage', async () => ({
    role: 'assistant',
    content: { type: 'text', text: 'forty-two' },
    model: 'none',
}));
client.setRequestHandler('roots/list', async () => ({ roots: [] }));

// Does it, and does it again as long as the answer is to connect something first.
async function insist(act) {
    for (;;) {
        let addresses = [];
        let outcome;
        try {
            outcome = await act();
            if (outcome?.isError) {
                const text = outcome.content.map((block) => block.text ?? '').join(' ');
                addresses = text.match(/https?:\/\/\S+\/connect\/[^\s"')>]+/g) ?? [];
                assert(addresses.length > 0, `the call failed: ${text}`);
            }
        } catch (error) {
            const wanted = error.code === CONNECT ? error.data.elicitations : error.data?.connect;
            if (!wanted) throw error;
            addresses = wanted.map(({ url }) => url);
            assert(addresses.length > 0, `nothing to open: ${JSON.stringify(error.data)}`);
        }
        if (addresses.length === 0) return outcome;
        for (const address of addresses) {
            opened += 1;
            assert(opened <= PATIENCE, 'it asks again and again to connect');
            await open(address);
        }
    }
}

const call = (name, args = {}) => insist(() => client.callTool({ name, arguments: args }));
const requestInit = { headers: { 'x-litellm-api-key': key, ...context.headers } };
const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit });
await insist(() => client.connect(transport));
const { tools } = await insist(() => client.listTools());
const names = tools.map((tool) => tool.name);

const acts = {
    initialize: () => {},
    'request-metadata': () => assert.deepEqual(names, []),
    'json-schema-ref-no-deref': () => assert.deepEqual(names, ['lookup_user']),
    tools_call: () => call('add_numbers', { a: 5, b: 3 }),
    'elicitation-sep1034-client-defaults': () => call('test_client_elicitation_defaults'),
    'sse-retry': () => call('test_reconnection'),
    'json-schema-2020-12-preservation': () => {
        const rich = tools.find((tool) => tool.name === 'json_schema_2020_12_tool');
        return call('json_schema_echo', { schema: rich.inputSchema });
    },
    'sep-2322-client-request-state': async () => {
        await Promise.all([call('test_mrtr_echo_state'), call('test_mrtr_unrelated')]);
        await call('test_mrtr_no_state');
        await call('test_mrtr_no_result_type');
    },
    'http-standard-headers': async () => {
        for (const name of names) await call(name);
        for (const { uri } of (await client.listResources()).resources) {
            await client.readResource({ uri });
        }
        for (const { name } of (await client.listPrompts()).prompts) {
            await client.getPrompt({ name });
        }
    },
    'http-custom-headers': async () => {
        for (const { name, arguments: args } of context.toolCalls) await call(name, args);
    },
    'http-invalid-tool-headers': async () => {
        assert.deepEqual(names, ['valid_tool'], 'the gateway lists nothing that may not be called');
        await call('valid_tool', { region: 'here' });
        // Who knows the name of one is refused all the same.
        await assert.rejects(client.callTool({ name: 'invalid_empty_header', arguments: { value: 'x' } }));
    },
};
const act = acts[scenario] ?? (() => call('test-tool'));
assert(acts[scenario] || scenario.startsWith('auth/'), `no act is known for ${scenario}`);
await act();
await client.close();
console.log(`done, after ${opened} visit(s) to a browser`);
process.exit(0);
