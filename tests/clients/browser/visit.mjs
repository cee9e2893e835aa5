// A person with a browser. Reads one step after the other from standard input, each a line of JSON, and answers each
// with a line of JSON on standard output. The browser is one profile: cookies stay from step to step.
//
// usage: node visit.mjs SETTINGS.json
// SETTINGS: { rules }, where rules are Chromium's `--host-resolver-rules`
// STEP: { do: one of the steps below, … }

import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

import chromium from '@sparticuz/chromium';
import puppeteer from 'puppeteer-core';

const PATIENCE_MILLISECONDS = 30_000;

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));

const browser = await puppeteer.launch({
  executablePath: await chromium.executablePath(),
  headless: 'shell',
  // The suite makes an authority for each run, which no browser knows.
  acceptInsecureCerts: true,
  args: ['--no-sandbox', '--disable-gpu', '--no-zygote', `--host-resolver-rules=${settings.rules}`],
});
const page = await browser.newPage();
page.setDefaultTimeout(PATIENCE_MILLISECONDS);
const complaints = [];
page.on('console', (message) => complaints.push(message.text()));

let last;
page.on('response', (response) => {
  if (response.request().isNavigationRequest() && response.frame() === page.mainFrame()) last = response;
});

async function shown() {
  return {
    url: page.url(),
    status: last?.status(),
    headers: last?.headers(),
    title: await page.title(),
    text: await page.evaluate(() => document.documentElement?.textContent ?? ''),
    complaints: complaints.splice(0),
  };
}

async function submit(selector) {
  await Promise.all([page.waitForNavigation(), page.click(selector)]);
}

const BUTTON = 'button[type=submit]';

const steps = {
  async open({ url }) {
    await page.goto(url);
    return shown();
  },

  // The pages of oidc-provider: who are you, and do you agree?
  async 'log-in'({ url, as }) {
    await page.goto(url);
    await page.type('input[name=login]', as);
    await page.type('input[name=password]', 'any');
    await submit(BUTTON);
    const { origin } = new URL(url);
    for (;;) {
      // Some of the provider's pages go on by themselves.
      const arrived = (there, button) => location.origin === there || document.querySelector(button) !== null;
      await page.waitForFunction(arrived, {}, origin, BUTTON);
      if (new URL(page.url()).origin === origin) return shown();
      await submit(BUTTON);
    }
  },

  async click({ selector }) {
    await submit(selector);
    return shown();
  },

  // A script with the origin of whatever is open.
  async evaluate({ script }) {
    return { value: await page.evaluate(script) };
  },

  async style({ selector, property }) {
    const read = (element, name) => getComputedStyle(element).getPropertyValue(name);
    return { value: await page.$eval(selector, read, property) };
  },

  async cookies({ url }) {
    return { cookies: await page.cookies(url) };
  },

  async screenshot({ path }) {
    await page.screenshot({ path, fullPage: true });
    return {};
  },

  async quit() {
    await browser.close();
    return {};
  },
};

console.log(JSON.stringify({ version: await browser.version() }));
for await (const line of createInterface({ input: process.stdin })) {
  const step = JSON.parse(line);
  let answer;
  try {
    answer = await steps[step.do](step);
  } catch (error) {
    answer = { error: String(error) };
  }
  console.log(JSON.stringify(answer));
  if (step.do === 'quit') break;
}
process.exit(0);
