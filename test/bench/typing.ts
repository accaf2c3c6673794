/**
 * Typing by a schedule.
 *
 * People do not type in step, and a load generator whose writers all fire on one timer flatters a server that merges: every tick would bring
 * a full set of edits. So each writer's time is cut into slots of one edit each, and the edit comes at a random (seeded) moment of its slot. The
 * schedule is drawn up beforehand; how late each edit was written against it is recorded, and says whether the generator kept up.
 */

import { seededRandom } from './edits.ts';
import { emptyHistogram, record, type Histogram } from './histogram.ts';
import { monotonicMs } from './plan.ts';
import { sendFrame, type Client } from './clients.ts';

/** Moments in milliseconds from the beginning, ascending, and the index of the writer whose turn it is. */
export type Schedule = { readonly times: Float64Array; readonly turns: Int32Array };

/** `editsEach` edits by each of `writers` writers, one in each slot of `slotMs`. */
export function drawSchedule(writers: number, editsEach: number, slotMs: number, seed: number): Schedule {
  const random = seededRandom(seed);
  const moments: { readonly time: number; readonly writer: number }[] = [];
  for (let writer = 0; writer < writers; writer++) {
    for (let slot = 0; slot < editsEach; slot++) moments.push({ time: (slot + random()) * slotMs, writer });
  }
  moments.sort((a, b) => a.time - b.time);
  return { times: Float64Array.from(moments, ({ time }) => time), turns: Int32Array.from(moments, ({ writer }) => writer) };
}

/** Runs the schedule from `at` on; resolves with how late the edits within [from, to) were written when the last one is. */
export function runSchedule(
  schedule: Schedule,
  typists: readonly Client[],
  at: number,
  window: { readonly from: number; readonly to: number },
): Promise<Histogram> {
  const lateness = emptyHistogram();
  const nextEdit = new Int32Array(typists.length);
  let next = 0;

  const write = (turn: number, due: number): void => {
    const client = typists[turn];
    const edit = nextEdit[turn] ?? 0;
    const frame = client?.writer?.frames[edit];
    if (client?.writer === undefined || frame === undefined) throw new RangeError(`writer ${turn} has no edit ${edit}`);
    const now = monotonicMs();
    client.writer.sentAt[edit] = now;
    nextEdit[turn] = edit + 1;
    sendFrame(client, frame);
    if (now >= window.from && now < window.to) record(lateness, now - due);
  };

  return new Promise((resolve) => {
    const turn = (): void => {
      for (;;) {
        const time = schedule.times[next];
        if (time === undefined) return resolve(lateness);
        const wait = at + time - monotonicMs();
        if (wait > 0) return void setTimeout(turn, Math.max(1, Math.floor(wait)));
        write(schedule.turns[next] ?? 0, at + time);
        next++;
      }
    };
    setTimeout(turn, Math.max(1, at - monotonicMs()));
  });
}
