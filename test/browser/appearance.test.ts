import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { useSite } from './site.ts';
import { newDocument, openWriter, type Writer, type WriterOptions } from './writer.ts';

const site = useSite();
const open = (path: string, options?: WriterOptions): Promise<Writer> =>
  openWriter(site.browser(), site.server().url, path, options);

/** Where the pictures are put, to be looked at. */
const pictures = join(import.meta.dirname, '../../.local/screenshots');

const phone = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const desktop = { viewport: { width: 1280, height: 800 } };

describe('PG13: the page is calm on every screen', () => {
  test.each([
    ['desktop', 'light', desktop],
    ['desktop', 'dark', desktop],
    ['phone', 'light', phone],
    ['phone', 'dark', phone],
  ] as const)(
    '%s, %s: nothing is cut off, nothing is complained of, nothing comes from elsewhere',
    async (screen, colorScheme, options) => {
      const path = newDocument('looks');
      const ben = await open(path, { name: 'Ben' });
      const ada = await open(path, { ...options, colorScheme, name: 'Ada' });
      await ben.type('A first line.');
      await ada.seesText('A first line.');
      await ada.seesStatus('Saved');
      await mkdir(pictures, { recursive: true });
      const picture = await ada.page.screenshot({ path: join(pictures, `${screen}-${colorScheme}.png`) });
      expect(picture.byteLength).toBeGreaterThan(5_000);
      const { overflow, background } = await measure(ada.page);
      expect(overflow).toBe(0);
      expect(background).toBe(colorScheme === 'light' ? 'rgb(244, 242, 238)' : 'rgb(22, 24, 28)');
      expect([...ada.complaints, ...ben.complaints]).toEqual([]);
    },
  );
});

/** How far the page is wider than the screen, in pixels, and its background. */
function measure(page: Page): Promise<{ readonly overflow: number; readonly background: string }> {
  type Window = {
    readonly document: {
      readonly body: object;
      readonly documentElement: { readonly scrollWidth: number; readonly clientWidth: number };
    };
    readonly getComputedStyle: (element: object) => { readonly backgroundColor: string };
  };
  return page.evaluate(() => {
    const { document, getComputedStyle } = globalThis as unknown as Window;
    const { scrollWidth, clientWidth } = document.documentElement;
    return { overflow: scrollWidth - clientWidth, background: getComputedStyle(document.body).backgroundColor };
  });
}
