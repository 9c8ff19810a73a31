// A server on the official TypeScript SDK over stdio: typescript.mjs serve|reject
//
// It speaks 2026-07-28 and serves, or rejects, whoever opens a session.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

// The packages live where the task runner installed them, not beside this file.
const require = createRequire(join(process.cwd(), 'package.json'));
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const { McpServer } = await load('@modelcontextprotocol/server');
const { serveStdio } = await load('@modelcontextprotocol/server/stdio');
const { z } = await load('zod');

serveStdio(
    () => {
        const server = new McpServer({ name: 'typescript', version: '1.0.0' }, { capabilities: { tools: {} } });
        server.registerTool(
            'echo',
            { description: 'Says it again.', inputSchema: z.object({ message: z.string() }) },
            async ({ message }) => ({ content: [{ type: 'text', text: `Echo: ${message}` }] }),
        );
        return server;
    },
    { legacy: process.argv[2] },
);
