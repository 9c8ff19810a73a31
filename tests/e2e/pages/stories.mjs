// What people do at the pages.
//
// stories.mjs STORY CHROMIUM PICTURES GATEWAY DETAILS
import assert from 'node:assert/strict';

import { Eyes } from './eyes.mjs';

const [story, chromium, pictures, gateway, told] = process.argv.slice(2);
const details = JSON.parse(told);
const eyes = await Eyes.open(chromium, pictures);
const button = (name) => eyes.page.getByRole('button', { name });
const link = (name) => eyes.page.getByRole('link', { name });
const heading = () => eyes.page.locator('h1').innerText();
const key = () => eyes.page.getByLabel('Your API key');
const goto = (path) => eyes.page.goto(new URL(path, gateway).href);

async function signIn() {
    await eyes.type(key(), details.key);
    await eyes.press(button(/sign in/i));
}

const stories = {
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
    await eyes.close();
} catch (error) {
    await eyes.page.screenshot({ path: `${pictures}/${story}-failed.png`, fullPage: true });
    console.error(`at ${eyes.page.url()}: ${await eyes.page.locator('body').innerText()}`);
    console.error(eyes.complaints);
    throw error;
} finally {
    await eyes.browser.close();
}
