// Drives an MCP endpoint with the official TypeScript client.
//
// driver.mjs URL KEY PREFIX MODE    MODE: legacy | 2026-07-28; PREFIX: of tool and prompt names
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

// The packages live where the task runner installed them, not beside this file.
const require = createRequire(join(process.cwd(), 'package.json'));
const client_package = pathToFileURL(require.resolve('@modelcontextprotocol/client')).href;
const { Client, StreamableHTTPClientTransport } = await import(client_package);

const [url, key, prefix, mode] = process.argv.slice(2);
const textOf = (result) =>
    result.content.filter((block) => block.type === 'text').map((block) => block.text).join(' ');

const client = new Client(
    { name: 'portcullis-e2e', version: '1.0.0' },
    {
        capabilities: { elicitation: {}, sampling: {} },
        versionNegotiation: { mode: mode === 'legacy' ? 'legacy' : { pin: mode } },
    },
);
const asked = [];
client.setRequestHandler('elicitation/create', async (request) => {
    asked.push(request.params.message);
    return { action: 'accept', content: { username: 'ada', email: 'ada@example.com' } };
});
client.setRequestHandler('sampling/createMessage', async () => ({
    role: 'assistant',
    content: { type: 'text', text: 'forty-two' },
    model: 'none',
}));
const requestInit = { headers: { Authorization: `Bearer ${key}` } };
await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }));

const call = (name, args = {}, options) =>
    client.callTool({ name: prefix + name, arguments: args }, options);

const { tools } = await client.listTools();
const names = tools.map((tool) => tool.name);
assert(names.includes(prefix + 'test_simple_text'), `the simple tool is listed: ${names}`);
assert(names.every((name) => name.startsWith(prefix)), `every tool carries the prefix: ${names}`);

assert.equal(textOf(await call('test_simple_text')), 'This is a simple text response for testing.');
assert.deepEqual(
    (await call('test_multiple_content_types')).content.map((block) => block.type),
    ['text', 'image', 'resource'],
);
assert.equal((await call('test_error_handling')).isError, true);
assert.equal(textOf(await call('test_custom_header', { value: 'Grüße' })), 'Grüße');

const seen = [];
await call('test_tool_with_progress', {}, { onprogress: (report) => seen.push(report.progress) });
assert.deepEqual(seen, [0, 50, 100]);

const told = textOf(await call('test_elicitation', { message: 'Who are you?' }));
assert.deepEqual(asked, ['Who are you?']);
assert(told.includes('ada@example.com'), told);
const said = textOf(await call('test_sampling', { prompt: 'What is the answer?' }));
assert(said.includes('forty-two'), said);

const { prompts } = await client.listPrompts();
assert(prompts.some((prompt) => prompt.name === prefix + 'test_simple_prompt'));
const prompt = await client.getPrompt({
    name: prefix + 'test_prompt_with_arguments',
    arguments: { arg1: 'one', arg2: 'two' },
});
assert(prompt.messages[0].content.text.includes("arg1='one', arg2='two'"));

const { resources } = await client.listResources();
const text = resources.find((resource) => resource.uri.includes('static-text'));
assert(text, 'resources are listed');
const { contents } = await client.readResource({ uri: text.uri });
assert(contents[0].text.includes('static text resource'));

await assert.rejects(client.getPrompt({ name: prefix + 'no_such_prompt' }));
await assert.rejects(call('no_such_tool'));

const numbers = [...Array(16).keys()];
const answers = await Promise.all(numbers.map((n) => call('greet', { name: String(n) })));
assert.deepEqual(answers.map(textOf), numbers.map((n) => `Hello, ${n}!`));

await client.close();
console.log('all checks passed');
process.exit(0);
