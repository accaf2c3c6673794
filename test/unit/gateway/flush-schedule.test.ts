/** When rooms flush. */

import { expect, test } from 'vitest';
import { FlushSchedule } from '#gateway/flush-schedule.ts';
import type { Room } from '#gateway/room.ts';
import { virtualClock } from '#test/harness/virtual-clock.ts';

test('GW83: a room whose flush throws is told of, and the others flush', () => {
  const flushed: string[] = [];
  const thrown: (readonly [string, unknown])[] = [];
  const room = (document: string, flush: () => void): Room => ({ document, flush }) as unknown as Room;
  const fault = new Error('a defect');
  const schedule = new FlushSchedule({
    clock: virtualClock(),
    flushDelayMsMax: 8,
    endOfTick: () => {},
    onDraft: () => {},
    onThrown: ({ document }, error) => void thrown.push([document, error]),
    onFlushed: () => {},
  });
  schedule.request(
    room('a', () => {
      throw fault;
    }),
  );
  schedule.request(room('b', () => void flushed.push('b')));
  schedule.run();
  expect(thrown).toEqual([['a', fault]]);
  expect(flushed).toEqual(['b']);
});
