import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { edited, frameSent, isSaved, opened, settledUpTo, type Connection } from '#pages/saved-state.ts';
import type { ClientFrame } from '#shared/wire/y-websocket.ts';

const step1: ClientFrame = { kind: 'step1', vector: new Uint8Array() };
const step2: ClientFrame = { kind: 'step2', update: new Uint8Array() };
const update: ClientFrame = { kind: 'update', update: new Uint8Array() };
const awareness: ClientFrame = { kind: 'awareness', awareness: new Uint8Array() };

type Step = (connection: Connection) => Connection;
const send =
  (...frames: readonly ClientFrame[]): Step =>
  (connection) =>
    frames.reduce(frameSent, connection);
const settle =
  (count: number): Step =>
  (connection) =>
    settledUpTo(connection, count);
const after = (...steps: readonly Step[]): boolean => isSaved(steps.reduce((connection, step) => step(connection), opened()));

describe('PG1: saved is what the server has settled on this connection, and nothing else', () => {
  test('a connection is not saved by being open, nor by sending', () => {
    expect(after()).toBe(false);
    expect(after(send(step1))).toBe(false);
    expect(after(send(step1, step2))).toBe(false);
  });

  test('it is saved when all that was sent is settled, and until the next edit', () => {
    expect(after(send(step1, step2), settle(1))).toBe(true);
    expect(after(send(step2), settle(1), edited)).toBe(false);
    expect(after(send(step2), settle(1), edited, send(update))).toBe(false);
    expect(after(send(step2), settle(1), edited, send(update), settle(2))).toBe(true);
  });

  test('numbers may be skipped, and only grow', () => {
    expect(after(send(step2, update, update), settle(2))).toBe(false);
    expect(after(send(step2, update, update), settle(3))).toBe(true);
    expect(after(send(step2, update, update), settle(3), settle(1))).toBe(true);
  });

  test('only Step2 and Update are counted', () => {
    expect(after(send(step1, awareness, step2, awareness), settle(1))).toBe(true);
    expect(after(send(step2), settle(1), send(awareness, step1))).toBe(true);
  });

  test('updates that were settled before the first Step2 do not make it saved', () => {
    expect(after(edited, send(update), settle(1))).toBe(false);
    expect(after(edited, send(update), settle(1), send(step2))).toBe(false);
    expect(after(edited, send(update), settle(1), send(step2), settle(2))).toBe(true);
  });

  test('an edit that no frame followed is not saved, whatever is settled', () => {
    expect(after(send(step2), settle(1), edited, settle(1))).toBe(false);
  });

  test('a number beyond what was sent vouches for nothing that is sent later', () => {
    expect(after(send(step2), settle(9), edited, send(update))).toBe(false);
    expect(after(send(step2), settle(9), edited, send(update), settle(2))).toBe(true);
  });

  test.each(['connecting', 'offline', 'ended'] as const)('%s is never saved', (kind) => {
    const steps = [send(step2), settle(1), edited, send(update), settle(2)];
    expect(isSaved(steps.reduce<Connection>((connection, step) => step(connection), { kind }))).toBe(false);
  });

  test('whatever happens in whatever order, saved means: each frame settled, a Step2 among them, no edit behind the last of them', () => {
    const event = fc.oneof(
      fc.constant<'edit'>('edit'),
      fc.constantFrom(step1, step2, update, awareness),
      fc.nat({ max: 6 }).map((count) => ({ settled: count })),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), (events) => {
        let connection = opened();
        const counted: { settled: boolean; step2: boolean }[] = [];
        let waiting = false;
        for (const one of events) {
          if (one === 'edit') {
            connection = edited(connection);
            waiting = true;
          } else if ('settled' in one) {
            connection = settledUpTo(connection, one.settled);
            counted.slice(0, one.settled).forEach((frame) => (frame.settled = true));
          } else {
            connection = frameSent(connection, one);
            if (one.kind === 'step1' || one.kind === 'awareness') continue;
            counted.push({ settled: false, step2: one.kind === 'step2' });
            waiting = false;
          }
          expect(isSaved(connection)).toBe(
            !waiting && counted.some(({ step2 }) => step2) && counted.every(({ settled }) => settled),
          );
        }
      }),
      { seed: 7, numRuns: 2_000 },
    );
  });
});
