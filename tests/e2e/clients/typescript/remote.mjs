// Signs in with `mcp-remote`, as a client does that starts local programs only.
//
// remote.mjs URL TOOL FOLDER    FOLDER: where it may keep what it is given
//
// The person at the browser is asked for by `OPEN <address>`; the bridge listens for itself where the
// browser comes back.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

// The packages live where the task runner installed them, not beside this file.
const require = createRequire(join(process.cwd(), 'package.json'));
const { Client } = await import(pathToFileURL(require.resolve('@modelcontextprotocol/client')).href);
const { StdioClientTransport } = await import(
    pathToFileURL(require.resolve('@modelcontextprotocol/client/stdio')).href
);
const bridge = join(process.cwd(), 'node_modules/mcp-remote/dist/proxy.js');

const [url, tool, folder] = process.argv.slice(2);

// The first time somebody has to sign in, the second time the bridge has kept what it was given.
let asked = 0;
for (const _ of ['first', 'second']) {
    const transport = new StdioClientTransport({
        command: process.execPath,
        args: [bridge, url],
        // No browser of its own: whoever reads its log is the browser.
        env: { MCP_REMOTE_CONFIG_DIR: folder, HOME: folder, BROWSER: 'true', PATH: '/nowhere' },
        stderr: 'pipe',
    });
    createInterface({ input: transport.stderr }).on('line', (line) => {
        console.log(`    ${line}`);
        const address = line.trim();
        if (address.startsWith('http') && address.includes('response_type=code')) {
            asked += 1;
            console.log(`OPEN ${address}`);
        }
    });
    const client = new Client({ name: 'portcullis-e2e', version: '1.0.0' });
    await client.connect(transport, { timeout: 60_000 });
    const { tools } = await client.listTools();
    assert(tools.some(({ name }) => name === tool), JSON.stringify(tools.map(({ name }) => name)));
    const result = await client.callTool({ name: tool, arguments: {} });
    assert(!result.isError, JSON.stringify(result));
    await client.close();
}
assert.equal(asked, 1, 'somebody had to sign in once');
console.log('signed in, and stayed so');
process.exit(0);
