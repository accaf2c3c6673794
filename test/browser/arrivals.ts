/** When something appeared on a page, by the clock of the machine. */

import type { Page } from 'playwright-core';

/** The same in pages on this machine and here, in ms. */
export const machineMs = (): number => performance.timeOrigin + performance.now();

type Window = { readonly arrivals: Map<string, number> };

const record = `
  globalThis.arrivals = new Map();
  const content = document.querySelector('.cm-content');
  new MutationObserver(() => {
    for (const [mark] of content.textContent.matchAll(/\\[\\w+\\]/gu))
      if (!arrivals.has(mark)) arrivals.set(mark, performance.timeOrigin + performance.now());
  }).observe(content, { subtree: true, childList: true, characterData: true });
`;

/** From now on the page notes when it first shows a mark: letters and digits in brackets. */
export async function recordArrivals(page: Page): Promise<void> {
  await page.evaluate(record);
}

/** Waits until the page shows a mark. Resolves with when that was. */
export async function arrivalOf(page: Page, mark: string): Promise<number> {
  const handle = await page.waitForFunction((wanted) => (globalThis as unknown as Window).arrivals.get(wanted), mark, {
    polling: 10,
  });
  return (await handle.jsonValue()) as number;
}

/** The value that so much of the list is not above. */
export function quantile(list: readonly number[], share: number): number {
  const sorted = list.toSorted((one, other) => one - other);
  return sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN;
}
