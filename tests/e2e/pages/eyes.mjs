// Looks at pages as people do: in a real browser, by keyboard alone, in light and dark, on a small
// screen and a large one, and with axe for those who cannot look.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

// The packages live where the task runner installed them, not beside this file.
const require = createRequire(join(process.cwd(), 'package.json'));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

// Without these it looks for updates and for its maker's hosts, and waits for them.
const QUIET = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
];
// WCAG 2.2 AA, and what axe knows beyond it.
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
// Tab stops on no page of ours are as many.
const STOPS = 60;

export class Eyes {
    // `ours`: the origin whose pages are judged.
    static async open(executablePath, pictures, ours) {
        const browser = await chromium.launch({ executablePath, headless: true, args: QUIET });
        const eyes = new Eyes();
        eyes.browser = browser;
        eyes.pictures = pictures;
        eyes.ours = new URL(ours).origin;
        eyes.complaints = [];
        await eyes.another();
        return eyes;
    }

    // Another browser, which knows nothing of the one before.
    async another() {
        this.context = await this.browser.newContext();
        this.page = await this.context.newPage();
        const { page } = this;
        page.on('console', (message) => {
            if (message.type() === 'error' && /Content.Security|Refused to/i.test(message.text())) {
                this.complaints.push(`policy at ${page.url()}: ${message.text()}`);
            }
        });
        page.on('pageerror', (error) => this.complaints.push(`script at ${page.url()}: ${error}`));
        page.on('requestfailed', (request) => {
            const reason = request.failure()?.errorText ?? '';
            if (/BLOCKED/.test(reason)) this.complaints.push(`${request.url()}: ${reason}`);
        });
    }

    // A page of ours: everything about it that can be judged without knowing what it is for.
    async look(name) {
        const { page } = this;
        const heading = await page.locator('h1').allInnerTexts();
        assert.equal(heading.length, 1, `${name} has one heading: ${heading}`);
        const scripts = await page.locator('script').count();
        assert.equal(scripts, 0, `${name} has no script`);
        for (const colorScheme of ['light', 'dark']) {
            await page.emulateMedia({ colorScheme });
            await page.screenshot({
                path: join(this.pictures, `${name}-${colorScheme}.png`),
                fullPage: true,
            });
            // `preload` would fetch the stylesheet by script, which the policy forbids.
            await page.evaluate(axe);
            const found = await page.evaluate(async (tags) => {
                const { violations } = await window.axe.run({
                    preload: false,
                    runOnly: { type: 'tag', values: tags },
                });
                return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes[0].html}`);
            }, RULES);
            this.complaints.push(...found.map((line) => `${name}, ${colorScheme}: ${line}`));
        }
        await page.emulateMedia({ colorScheme: 'light' });
        // 1.4.10: on the smallest screen nobody has to scroll sideways.
        const size = page.viewportSize();
        await page.setViewportSize({ width: 320, height: 640 });
        const wide = await page.evaluate(
            () => document.documentElement.scrollWidth > document.documentElement.clientWidth,
        );
        if (wide) this.complaints.push(`${name}: wider than a small screen`);
        await page.screenshot({ path: join(this.pictures, `${name}-small.png`), fullPage: true });
        await page.setViewportSize(size);
    }

    // Goes on with the keyboard until the focus is there, and can be seen to be.
    async tabTo(locator) {
        const { page } = this;
        await locator.waitFor();
        for (let stop = 0; stop < STOPS; stop += 1) {
            const there = await locator.evaluate((element) => element === document.activeElement);
            if (there) {
                const visible = await locator.evaluate((element) => {
                    const style = getComputedStyle(element);
                    return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
                });
                const ours = new URL(page.url()).origin === this.ours;
                if (ours && !visible) this.complaints.push(`the focus cannot be seen on ${locator}`);
                return;
            }
            await page.keyboard.press('Tab');
        }
        throw new Error(`the keyboard does not reach ${locator} at ${page.url()}`);
    }

    async type(locator, text) {
        await this.tabTo(locator);
        await this.page.keyboard.type(text);
    }

    // Presses what has the focus, and waits for where that leads.
    async press(locator) {
        await this.tabTo(locator);
        const arrived = this.page.waitForNavigation({ waitUntil: 'load' });
        await this.page.keyboard.press('Enter');
        await arrived;
    }

    judge() {
        assert.deepEqual(this.complaints, []);
    }
}
