/** What the gallery shows. */
import type { Page } from 'playwright-core';

/** The ids of the shown items, in their order. */
export async function idsOf(page: Page): Promise<string[]> {
  await page.locator('#results-title').waitFor();
  return page.locator('#media > .card').evaluateAll((cards) => cards.map(({ id }) => id));
}
