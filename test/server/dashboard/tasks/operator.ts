/** An operator at a browser, who has nothing but the page: clicks are counted, typing is not. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import type { Browser, Locator, Page } from 'playwright-core';
import { type Client, openBrowser, openClient } from '../browser.ts';
import { openSeed, type Seed } from './seed.ts';

/** The name under which the audit log knows the operator: that of the admin key of the tests. */
export const ADMIN = 'key-3';
const MOST_CLICKS = 5;
/** Voices are really played, although no click has allowed sound. */
const PLAYS = ['--autoplay-policy=no-user-gesture-required', '--mute-audio'];

export interface Operator {
  readonly page: Page;
  /** The browser with its cookies, for what is no task of the operator. */
  readonly client: Client;
  click(target: Locator, options?: { position?: { x: number; y: number } }): Promise<void>;
  /** Puts text into a field; a date is typed too. */
  type(target: Locator, text: string): Promise<void>;
  /** Chooses an option of a list: a click. */
  choose(target: Locator, value: string): Promise<void>;
  /** A click, too. */
  enter(): Promise<void>;
}

/** The tasks of docs/dashboard.md with the number of clicks that it promises. */
const documented: ReadonlyMap<string, number> = new Map(
  [
    ...readFileSync(new URL('../../../../docs/dashboard.md', import.meta.url), 'utf8').matchAll(
      /^\| ([^|]+) \| [^|]+ \| (\d+) \|$/gm,
    ),
  ].map(([, task, clicks]) => [task!, Number(clicks)]),
);

export interface Desk {
  readonly seed: Seed;
  readonly browser: Browser;
  close(): Promise<void>;
}

export async function openDesk(): Promise<Desk> {
  const [seed, browser] = await Promise.all([openSeed(), openBrowser(PLAYS)]);
  return {
    seed,
    browser,
    close: async () => {
      await browser.close();
      await seed.close();
    },
  };
}

/**
 * Does a task of docs/dashboard.md: from `/`, by clicks and typing only, in as many clicks as documented. `expected`: what
 * the browser reports because the task is about it.
 */
export function task(
  name: string,
  desk: () => Desk,
  run: (operator: Operator, seed: Seed) => Promise<void>,
  expected?: RegExp,
): void {
  it(name, async () => {
    const { seed, browser } = desk();
    const { s } = seed;
    const store = new URL((await s.context.store.link('any', { now: new Date(), ttlMs: 60_000 })).url).origin;
    const client = await openClient(browser, s, { allowedOrigins: [store] });
    let clicks = 0;
    const { page } = client;
    const operator: Operator = {
      page,
      client,
      click: async (target, options) => {
        clicks++;
        await target.click(options);
      },
      type: (target, text) => target.fill(text),
      choose: async (target, value) => {
        clicks++;
        await target.selectOption(value);
      },
      enter: async () => {
        clicks++;
        await page.keyboard.press('Enter');
      },
    };
    try {
      await page.goto(`${s.url}/`);
      await run(operator, seed);
      assert.deepEqual(
        client.problems.filter((problem) => !expected?.test(problem)),
        [],
      );
    } finally {
      await client.close();
    }
    assert.ok(clicks <= MOST_CLICKS, `${clicks} clicks`);
    assert.equal(clicks, documented.get(name.replace(/ \(.*\)$/, '')), 'clicks as in docs/dashboard.md');
  });
}

/** The first whole number of a text. */
export const numberIn = (text: string): number => Number(/[\d,]+/.exec(text)?.[0].replaceAll(',', ''));

/** Searches with the box of every page. */
export async function search({ type, enter, page }: Operator, text: string): Promise<void> {
  await type(page.getByRole('searchbox'), text);
  await enter();
  await page.waitForURL(/\/media\?q=/);
}

/** Goes to a section by the navigation. */
export async function open({ click, page }: Operator, section: string): Promise<void> {
  await click(
    page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: section, exact: true }),
  );
  await page.getByRole('heading', { level: 1, name: section, exact: true }).waitFor();
}
