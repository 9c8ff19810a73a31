// What people do at the pages.
//
// stories.mjs STORY CHROMIUM PICTURES GATEWAY DETAILS
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';

import { Eyes } from './eyes.mjs';

const [story, chromium, pictures, gateway, told] = process.argv.slice(2);
const details = JSON.parse(told);
const eyes = await Eyes.open(chromium, pictures, gateway);
const button = (name) => eyes.page.getByRole('button', { name });
const link = (name) => eyes.page.getByRole('link', { name });
const heading = () => eyes.page.locator('h1').innerText();
const key = () => eyes.page.getByLabel('Your API key');
const goto = (path) => eyes.page.goto(new URL(path, gateway).href);

async function signIn() {
    await eyes.type(key(), details.key);
    await eyes.press(button(/sign in/i));
}

// Signs in at the provider, whose pages are somebody else's, and agrees to what it asks.
async function throughProvider(name) {
    assert.equal(new URL(eyes.page.url()).origin, details.provider);
    await eyes.type(eyes.page.locator('[name=login]'), name);
    await eyes.type(eyes.page.locator('[name=password]'), 'x');
    await eyes.press(button(/sign-in/i));
    for (let page = 0; page < 3 && eyes.page.url().startsWith(details.provider); page += 1) {
        await eyes.press(button(/continue/i));
    }
    assert.equal(new URL(eyes.page.url()).origin, new URL(gateway).origin);
}

// A program on this machine that wants to act for somebody: it listens where the browser comes back.
class Program {
    static async start(more = {}) {
        const program = new Program();
        program.arrivals = [];
        const server = createServer((request, response) => {
            response.setHeader('content-type', 'text/html');
            response.end('<!doctype html><html lang="en"><title>Done</title><h1>Done</h1>');
            if (request.url.startsWith('/callback')) {
                program.arrivals.push(new URL(request.url, 'http://127.0.0.1').searchParams);
            }
        });
        server.unref();
        await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
        program.callback = `http://127.0.0.1:${server.address().port}/callback`;
        const answer = await fetch(new URL('/register', gateway), {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({
                client_name: 'Ada’s editor',
                redirect_uris: [program.callback],
                token_endpoint_auth_method: 'none',
                application_type: 'native',
                ...more,
            }),
        });
        const registered = await answer.json();
        assert.equal(answer.status, 201, JSON.stringify(registered));
        program.id = registered.client_id;
        return program;
    }

    // Where it sends its person.
    address(more = {}) {
        this.verifier = randomBytes(32).toString('base64url');
        const challenge = createHash('sha256').update(this.verifier).digest('base64url');
        const address = new URL('/authorize', gateway);
        address.search = new URLSearchParams({
            response_type: 'code',
            client_id: this.id,
            redirect_uri: this.callback,
            code_challenge: challenge,
            code_challenge_method: 'S256',
            state: 'xyz',
            resource: new URL('/mcp/conf', gateway).href,
            ...more,
        });
        return address.href;
    }

    // What the browser brought last.
    came() {
        return Object.fromEntries(this.arrivals.pop() ?? []);
    }

    async token(code) {
        const answer = await fetch(new URL('/token', gateway), {
            method: 'POST',
            body: new URLSearchParams({
                grant_type: 'authorization_code',
                code,
                client_id: this.id,
                redirect_uri: this.callback,
                code_verifier: this.verifier,
                resource: new URL('/mcp/conf', gateway).href,
            }),
        });
        return { status: answer.status, ...(await answer.json()) };
    }
}

const stories = {
    // A program asks, a person agrees, is not asked again, and takes it back.
    async consent() {
        const program = await Program.start();
        await goto(program.address());
        await signIn();
        assert.match(await heading(), /Ada’s editor/);
        await eyes.look('consent');
        // What the form's policy allows is this one redirect, and the browser follows it.
        await eyes.press(button('Allow'));
        assert.equal(eyes.page.url().split('?')[0], program.callback);
        const came = program.came();
        assert.equal(came.state, 'xyz');
        assert.equal(came.iss, new URL(gateway).origin);
        const token = await program.token(came.code);
        assert.equal(token.status, 200, JSON.stringify(token));

        // Whoever listens on this machine may be another program: its person is asked each time.
        await goto(program.address({ state: 'again' }));
        await eyes.press(button('Allow'));
        assert.equal(program.came().state, 'again');

        await goto('/connect');
        await eyes.look('access');
        await eyes.press(button(/Remove access of Ada/));
        await eyes.look('access-removed');
        const use = await fetch(new URL('/mcp/conf', gateway), {
            method: 'POST',
            headers: {
                authorization: `Bearer ${token.access_token}`,
                'content-type': 'application/json',
                accept: 'application/json, text/event-stream',
            },
            body: '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}',
        });
        assert.equal(use.status, 401, 'what was taken back is worth nothing');

        await goto(program.address());
        assert.match(await heading(), /Ada’s editor/, 'and is asked for again');
        await eyes.press(button('Deny'));
        assert.equal(program.came().error, 'access_denied');
    },

    // Programs of other kinds, as the page tells them apart.
    async strangers() {
        await goto('/login');
        await signIn();
        const site = await Program.start({
            client_name: 'A site with a name that is longer than anybody would ever read to its end, honestly',
            redirect_uris: ['https://client.example/callback'],
            application_type: 'web',
        });
        site.callback = 'https://client.example/callback';
        await goto(site.address());
        await eyes.look('consent-site');
        const app = await Program.start({
            client_name: '<b>Bold</b> \u202egnp.exe',
            redirect_uris: ['com.example.app:/callback'],
        });
        app.callback = 'com.example.app:/callback';
        await goto(app.address({ resource: new URL('/mcp', gateway).href }));
        await eyes.look('consent-application');
    },

    // What goes wrong is said where the person is, and nobody is sent on.
    async trouble() {
        const program = await Program.start();
        await goto(program.address({ client_id: 'nobody' }));
        await eyes.look('trouble-client');
        await goto(program.address({ redirect_uri: 'https://evil.example/' }));
        await eyes.look('trouble-redirect');
        assert.equal(new URL(eyes.page.url()).origin, new URL(gateway).origin);
        await goto('/login/callback?code=x&state=y');
        await eyes.look('trouble-sign-in');
        await goto('/callback?code=x&state=y');
        await eyes.look('trouble-connect');
    },

    // An account at a server that knows people: connected, used, looked at, disconnected.
    async connect() {
        const call = async () => {
            const answer = await fetch(new URL('/mcp/people', gateway), {
                method: 'POST',
                headers: {
                    'x-litellm-api-key': details.key,
                    'content-type': 'application/json',
                    accept: 'application/json, text/event-stream',
                },
                body: JSON.stringify({
                    jsonrpc: '2.0',
                    id: 1,
                    method: 'tools/call',
                    params: { name: 'whoami', arguments: {} },
                }),
            });
            return answer.text();
        };
        assert.match(await call(), /\/connect\/people/, 'it says where to connect');
        await goto('/connect/people');
        await signIn();
        await eyes.look('connect');
        await eyes.press(button('Connect'));
        await throughProvider('ada');
        await eyes.look('connected');
        assert.match(await call(), /You are ada\./, 'the call is made as her');
        await eyes.press(link('See the connection'));
        await eyes.look('connection');
        await goto('/connect');
        await eyes.look('access-connected');
        await goto('/connect/people');
        await eyes.press(button('Disconnect'));
        await eyes.look('disconnected');
        assert.match(await call(), /\/connect\/people/, 'and has to be connected again');
    },

    // With the provider, whose own pages are not judged.
    async provider() {
        await goto('/login');
        await eyes.look('sign-in-provider');
        await eyes.press(link(/Sign in with/));
        await throughProvider('ada');
        assert.match(await eyes.page.locator('header').innerText(), /Signed in as ada/i);
        await eyes.look('signed-in-provider');
    },

    async key() {
        await goto('/login');
        await eyes.look('sign-in');
        await eyes.type(key(), 'sk-not-the-key');
        await eyes.press(button(/sign in/i));
        assert.match(await eyes.page.getByRole('alert').innerText(), /not accepted/);
        assert.equal(await key().inputValue(), '', 'what was typed does not come back');
        await eyes.look('sign-in-refused');
        await signIn();
        await eyes.look('overview');
        const cookies = await eyes.context.cookies();
        const session = cookies.find(({ name }) => name.startsWith('__Host-'));
        assert(session?.httpOnly && session.secure, JSON.stringify(cookies));
        await eyes.press(button('Sign out'));
        assert.match(await heading(), /signed out/i);
        await eyes.look('signed-out');
    },
};

try {
    await stories[story]();
    eyes.judge();
} catch (error) {
    await eyes.page.screenshot({ path: `${pictures}/${story}-failed.png`, fullPage: true });
    console.error(`at ${eyes.page.url()}: ${await eyes.page.locator('body').innerText()}`);
    console.error(eyes.complaints);
    throw error;
} finally {
    await eyes.browser.close();
}
