/** A room's readers, in their channels and out of them. */

import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { createMemoryJournal } from '#shared/journal/memory.ts';
import { createMemoryStore } from '#shared/store/memory.ts';
import { BareClient } from '#test/harness/bare-client.ts';
import { memoryGateway } from '#test/harness/memory-gateway.ts';
import { virtualClock } from '#test/harness/virtual-clock.ts';

function start(readers: number, limits: { readonly outboxHighWaterBytes: number; readonly fragmentBytes: number }) {
  const clock = virtualClock();
  const gateway = memoryGateway({ journal: createMemoryJournal(), store: createMemoryStore(), clock, limits });
  const clients = Array.from({ length: readers }, () => new BareClient());
  const joined = clients.map((client) => gateway.join('a', client));
  return { clock, gateway, clients, joined };
}

test('GW75: a reader that stops reading leaves the channel after little more than its share, and the others go on', async () => {
  const limits = { outboxHighWaterBytes: 4096, fragmentBytes: 2048 };
  const { clock, clients, gateway, joined } = start(3, limits);
  await clock.advance(1_000);
  const [writer, slow, other] = clients;
  joined[1]?.connection.stall(true);
  for (let i = 0; i < 500; i++) {
    writer?.text.insert(0, `edit ${i} `);
    await clock.advance(20);
  }
  expect(gateway.counts.traffic.slowReaders).toBe(1);
  // What it may have unread, a sixteenth of that before it is looked at, and a frame.
  expect(joined[1]?.connection.bufferedMost()).toBeLessThan(4096 + 4096 / 16 + 200);
  expect(other?.text.toJSON()).toBe(writer?.text.toJSON());
  joined[1]?.connection.stall(false);
  await clock.advance(1_000);
  expect(slow?.text.toJSON()).toBe(writer?.text.toJSON());
  expect(gateway.counts.traffic.slowReaders).toBe(0);
});

test('GW75: who wrote alone is not sent its own words, and is sent an empty frame in time', async () => {
  const { clock, clients, gateway, joined } = start(2, { outboxHighWaterBytes: 4096, fragmentBytes: 2048 });
  await clock.advance(1_000);
  const [writer, reader] = joined;
  const [before, readerBefore] = [writer?.connection.messages.length ?? 0, reader?.connection.messages.length ?? 0];
  const framesBefore = gateway.counts.traffic.framesOut;
  clients[0]?.text.insert(0, 'alone');
  await clock.advance(1_000);
  const acknowledgements = (writer?.connection.messages.length ?? 0) - before;
  expect((reader?.connection.messages.length ?? 0) - readerBefore).toBe(1);
  expect(writer?.connection.messages.slice(before).every(([type]) => type === 8)).toBe(true);
  expect(gateway.counts.traffic.framesOut - framesBefore).toBe(1 + acknowledgements);
  expect(Y.encodeStateVector(clients[0]?.doc ?? new Y.Doc())).toEqual(Y.encodeStateVector(clients[1]?.doc ?? new Y.Doc()));
  // The room spoke to others meanwhile, never to it alone.
  writer?.session.keepAlive();
  const spoken = writer?.connection.messages.length ?? 0;
  clients[0]?.text.insert(0, 'still ');
  writer?.session.keepAlive();
  expect(writer?.connection.messages.length).toBe(spoken + 1);
});

test('GW75: what somebody wrote right before leaving goes to the others', async () => {
  const { clock, clients, joined } = start(2, { outboxHighWaterBytes: 4096, fragmentBytes: 2048 });
  await clock.advance(1_000);
  clients[0]?.text.insert(0, 'a last word');
  // It arrives in a microtask; rooms flush at the end of the tick.
  await Promise.resolve();
  joined[0]?.leave();
  await clock.advance(1_000);
  expect(clients[1]?.text.toJSON()).toBe('a last word');
  expect(joined[1]?.connection.closing()).toBeUndefined();
});
