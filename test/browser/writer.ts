/**
 * A person at the page: one browser context of their own (storage, name), and what they do and see, by the names that assistive technology
 * sees. Everything here waits for a condition on the page.
 */

import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { expect, onTestFinished } from 'vitest';

/** For `expect.poll`: how long a condition may take to come true on a busy machine. */
export const patient = { timeout: 20_000 };

export type Writer = {
  readonly page: Page;
  /** Puts the cursor at the end of the text and types, key by key. */
  readonly type: (text: string) => Promise<void>;
  /** The text as it stands on the page. Of a short document: CodeMirror draws what can be seen. */
  readonly text: () => Promise<string>;
  readonly seesText: (text: string) => Promise<void>;
  readonly seesStatus: (text: string) => Promise<void>;
  /** The others in the list of people. */
  readonly others: () => Promise<readonly string[]>;
  /** Every status that the page has shown since it was loaded, in order. */
  readonly statuses: () => Promise<readonly string[]>;
  /** What should never be there: errors, warnings, and requests to other servers. */
  readonly complaints: readonly string[];
};

export type WriterOptions = BrowserContextOptions & {
  readonly name?: string;
  /** Called with the new page before it loads anything. */
  readonly prepare?: (page: Page) => Promise<unknown>;
};

/** Opens the page of a document until the test has ended. `path` is what follows the server's address: `/`, `/?document=notes`. */
export async function openWriter(browser: Browser, url: string, path: string, options: WriterOptions = {}): Promise<Writer> {
  const { name, prepare, ...contextOptions } = options;
  const context = await browser.newContext(contextOptions);
  onTestFinished(() => context.close());
  await context.addInitScript({ content: recordStatuses });
  if (name !== undefined)
    await context.addInitScript({ content: `localStorage.setItem('inkstream:name', ${JSON.stringify(name)})` });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const complaints = complaintsOf(page, url);
  await prepare?.(page);
  await page.goto(url + path);
  const content = page.getByRole('textbox', { name: 'Text of the document' });
  const text = async (): Promise<string> => {
    const lines = await page.locator('.cm-line').allInnerTexts();
    return lines.map((line) => line.replaceAll(/[\n\u2060]/gu, '')).join('\n');
  };
  return {
    page,
    complaints,
    text,
    type: async (typed) => {
      await content.click();
      await page.keyboard.press('Control+End');
      await page.keyboard.type(typed);
    },
    seesText: async (wanted) => {
      await expect.poll(text, patient).toBe(wanted);
    },
    seesStatus: (wanted) => page.locator('#status').getByText(wanted, { exact: true }).waitFor(),
    others: () => page.getByRole('region', { name: 'People here' }).getByRole('listitem').allInnerTexts(),
    statuses: () => page.evaluate(() => (globalThis as unknown as { statuses: string[] }).statuses),
  };
}

/** A document that no other test opens. */
export const newDocument = (name: string): string => `/?document=${encodeURIComponent(`${name} ${crypto.randomUUID()}`)}`;

const recordStatuses = `
  globalThis.statuses = [];
  new MutationObserver(() => {
    const text = document.getElementById('status')?.textContent;
    if (text && text !== globalThis.statuses.at(-1)) globalThis.statuses.push(text);
  }).observe(document, { subtree: true, childList: true, characterData: true });
`;

function complaintsOf(page: Page, url: string): readonly string[] {
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(`uncaught: ${error.message}`));
  page.on('request', (request) => {
    if (new URL(request.url()).host !== new URL(url).host) complaints.push(`a request to ${request.url()}`);
  });
  return complaints;
}
