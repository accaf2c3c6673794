import { expect, test } from 'vitest';
import { JournalUnavailable } from '#shared/journal/journal.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { waitFor } from '#shared/store/patience.ts';
import { StoreUnavailable } from '#shared/store/store.ts';
import { settle, virtualClock } from '#test/harness/virtual-clock.ts';
import { pass } from '#test/simulation/persister/world.ts';

function patient(waitMs: number) {
  const clock = virtualClock();
  const waits: { readonly fields: Readonly<Record<string, unknown>>; readonly at: number }[] = [];
  const quiet = (): void => {};
  const warn = (fields: Readonly<Record<string, unknown>>): void => void waits.push({ fields, at: clock.monotonic() });
  const logger: Logger = { debug: quiet, info: quiet, warn, error: quiet, fatal: quiet };
  const outcome = <T>(attempt: () => Promise<T>): { value?: T; error?: Error } => {
    const found: { value?: T; error?: Error } = {};
    waitFor('Kafka at one:9092', attempt, { clock, logger, deadlineMs: waitMs, waitMs }).then(
      (value) => void (found.value = value),
      (error: unknown) => void (found.error = error as Error),
    );
    return found;
  };
  return { clock, waits, outcome };
}

test('CL4: what is away at the start is waited for, further and further apart, with a line each time', async () => {
  const { clock, waits, outcome } = patient(60_000);
  let attempts = 0;
  const found = outcome(async () => {
    if (++attempts < 6) throw attempts % 2 === 0 ? new StoreUnavailable('no primary') : new JournalUnavailable('refused');
    return 'open';
  });
  await pass(clock, 30_000);
  expect(found).toEqual({ value: 'open' });
  expect(waits.map(({ fields }) => fields['reason'])).toEqual(['refused', 'no primary', 'refused', 'no primary', 'refused']);
  const pauses = waits.map(({ fields }) => Number(fields['pauseMs']));
  expect(pauses.every((ms, index) => index === 0 || ms >= 0.9 * (pauses[index - 1] ?? 0))).toBe(true);
  expect(pauses[4]).toBeGreaterThan(5 * (pauses[0] ?? 0));
  expect(clock.pending()).toBe(0);
});

test('CL4: after startWaitMs it is given up, and one line says what did not answer and why', async () => {
  const { clock, outcome } = patient(10_000);
  const found = outcome(() => Promise.reject(new JournalUnavailable('connection refused')));
  await pass(clock, 10_000);
  expect(found.error?.message).toBe(
    'Kafka at one:9092 could not be used within 10000 ms (INKSTREAM_START_WAIT_MS): connection refused',
  );
});

test('CL4: an attempt that does not answer is not waited for any longer', async () => {
  const { clock, outcome } = patient(10_000);
  const found = outcome(() => new Promise(() => {}));
  await clock.advance(9_999);
  expect(found).toEqual({});
  await clock.advance(1);
  expect(found.error?.message).toContain('no answer');
});

test('CL4: what is set up wrongly is not waited for', async () => {
  const { waits, outcome } = patient(10_000);
  const found = outcome(() => Promise.reject(new Error('topic inkstream.updates is compacted')));
  await settle();
  expect(found.error?.message).toBe('topic inkstream.updates is compacted');
  expect(waits).toEqual([]);
});
