/**
 * What the browser tests share: one browser and one server for a file's tests, both gone after them.
 */

import { existsSync } from 'node:fs';
import type { Browser } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { startServer, type Server } from '#test/harness/server.ts';
import { launchChromium, withoutChromium } from './chromium.ts';

export type Site = { readonly browser: () => Browser; readonly server: () => Server };

/** Call at the top of a file. Where there is no Chromium every test of the file is left out, with the reason. */
export function useSite(): Site {
  let browser: Browser | undefined;
  let server: Server | undefined;
  beforeAll(async () => {
    if (withoutChromium !== undefined) return;
    await buildPages();
    [browser, server] = await Promise.all([launchChromium(), startServer()]);
  });
  beforeEach(({ skip }) => {
    if (withoutChromium !== undefined) skip(withoutChromium);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });
  return { browser: () => present(browser), server: () => present(server) };
}

/** Builds the page where that was not done yet; keeping it fresh is the Makefile's. */
export async function buildPages(): Promise<void> {
  const root = new URL('../../services/pages/', import.meta.url).pathname;
  if (!existsSync(`${root}dist/index.html`)) await build({ root, logLevel: 'warn' });
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('used before it was started');
  return value;
}
