/** Settings in the environment. */

import { expect, test } from 'vitest';
import { duration, readSettings } from '#shared/runtime/config.ts';
import { standaloneSettings } from '../../../services/standalone/config.ts';

test('SA6: a time is at most what a timer runs, since a longer one would go off at once', () => {
  const read = (given: string) => readSettings({ waitMs: duration(5, 'a wait') }, { INKSTREAM_WAIT_MS: given });
  expect(read(String(2 ** 31 - 1))).toEqual({ values: { waitMs: 2 ** 31 - 1 } });
  expect(read(String(2 ** 31))).toEqual({ faults: [expect.stringContaining('INKSTREAM_WAIT_MS')] });
});

test('SA6: that holds for every setting that is a time', () => {
  const times = Object.entries(standaloneSettings).filter(([, { unit }]) => unit === 'ms');
  expect(times.length).toBeGreaterThan(15);
  for (const [, { schema }] of times) expect(schema.safeParse(String(2 ** 31)).success).toBe(false);
});
