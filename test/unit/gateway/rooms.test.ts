/** Opening documents, and letting them go. */

import { expect, onTestFinished, test } from 'vitest';
import * as Y from 'yjs';
import type { JournalRecord } from '#shared/journal/journal.ts';
import { createJournalDisk, createMemoryJournal, type JournalStep } from '#shared/journal/memory.ts';
import { createMemoryStore, createStoreDisk, type StoreStep } from '#shared/store/memory.ts';
import { JournalUnavailable } from '#shared/journal/journal.ts';
import { StoreCorrupt, StoreUnavailable } from '#shared/store/store.ts';
import { BareClient } from '#test/harness/bare-client.ts';
import { documentName, memoryGateway, type MemoryGatewayOptions } from '#test/harness/memory-gateway.ts';
import { settle, type VirtualClock, virtualClock } from '#test/harness/virtual-clock.ts';

const doc = documentName('a');

function updateOf(text: string): Uint8Array {
  const document = new Y.Doc();
  document.getText('text').insert(0, text);
  return Y.encodeStateAsUpdate(document);
}

const record = (document: string, text: string, origin = 'elsewhere'): JournalRecord => ({
  kind: 'update',
  document: documentName(document),
  update: updateOf(text),
  origin,
  author: '',
  time: 0,
});

type Step = (step: JournalStep | StoreStep) => void | Promise<void>;

/** A journal and a store with some steps watched, and a gateway on them. */
function world(step: Step = () => {}, options: Partial<MemoryGatewayOptions> = {}) {
  const clock = options.clock ?? virtualClock();
  const journalDisk = createJournalDisk();
  const storeDisk = createStoreDisk();
  const atStep = (name: JournalStep | StoreStep, moment: 'before' | 'after'): void | Promise<void> =>
    moment === 'before' ? step(name) : undefined;
  const journal = createMemoryJournal({ disk: journalDisk, step: atStep });
  const store = createMemoryStore({ disk: storeDisk, step: atStep });
  const gateway = memoryGateway({ journal, store, clock, ...options });
  const elsewhere = createMemoryJournal({ disk: journalDisk });
  const people: BareClient[] = [];
  onTestFinished(() => {
    for (const person of people) person.destroy();
  });
  const open = (document = 'a') => {
    const client = new BareClient();
    people.push(client);
    return { client, ...gateway.join(document, client) };
  };
  return { clock, journal, store, gateway, elsewhere, open, storeDisk };
}

/** Lets messages and promises go their way. */
async function pass(clock: VirtualClock, ms = 50): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await settle();
  await clock.advance(ms);
  for (let turn = 0; turn < 10; turn++) await settle();
}

test('GW40: a document opens with what the store has, what the journal has since, and what comes meanwhile', async () => {
  let gate = (): void => {};
  const { clock, store, elsewhere, open } = world((step) =>
    step === 'readSegments' ? new Promise<void>((resolve) => (gate = resolve)) : undefined,
  );
  await elsewhere.append([record('a', 'stored '), record('b', 'other')]);
  await store.putSegment({ document: doc, first: 0, last: 0, update: updateOf('stored ') });
  await store.moveCheckpoint(0, 0, 1);
  await elsewhere.append([record('a', 'tail ')]);
  const { client } = open();
  await pass(clock);
  expect(client.synced).toBe(false);
  await elsewhere.append([record('a', 'meanwhile ')]);
  gate();
  await pass(clock);
  expect(client.synced).toBe(true);
  expect(client.text.toJSON().split(' ').toSorted()).toEqual(['', 'meanwhile', 'stored', 'tail']);
});

test('GW41: nobody is synced before the journal has been read up to its end as of the opening', async () => {
  let gate = (): void => {};
  const { clock, elsewhere, open } = world((step) =>
    step === 'read' ? new Promise<void>((resolve) => (gate = resolve)) : undefined,
  );
  await elsewhere.append([record('a', 'acknowledged elsewhere')]);
  const { client } = open();
  await pass(clock);
  expect(client.frames).toEqual([]);
  gate();
  await pass(clock);
  expect(client.text.toJSON()).toBe('acknowledged elsewhere');
});

const failures: readonly (readonly [StoreStep | JournalStep, Error])[] = [
  ['readPosition', new StoreUnavailable('away')],
  ['readHead', new StoreUnavailable('away')],
  ['readSegments', new StoreUnavailable('away')],
  ['high-water', new JournalUnavailable('away')],
  ['read', new JournalUnavailable('away')],
];

test.each(failures)(
  'GW42: where %s fails, openers come back later (1013), and never see an empty document',
  async (step, error) => {
    let fails = true;
    const { clock, elsewhere, gateway, open } = world((name) => {
      if (fails && name === step) throw error;
    });
    await elsewhere.append([record('a', 'precious')]);
    const { client, connection } = open();
    await pass(clock, 900);
    expect(connection.closing()).toBeUndefined();
    await pass(clock, 1_100);
    expect(connection.closing()?.code).toBe(1013);
    expect(connection.messages).toEqual([]);
    expect(client.synced).toBe(false);
    expect(gateway.rooms.size).toBe(0);
    fails = false;
    const next = open();
    await pass(clock);
    expect(next.client.text.toJSON()).toBe('precious');
  },
);

test('GW43: what is stored and can not be read closes its openers with 1011', async () => {
  const { clock, store, open } = world();
  await store.putSegment({ document: doc, first: 0, last: 0, update: Uint8Array.of(1, 2, 3) });
  const { connection } = open();
  await pass(clock, 2_000);
  expect(connection.closing()?.code).toBe(1011);
  expect(connection.messages).toEqual([]);
});

test('GW43: so does a store that contradicts itself', async () => {
  const { clock, open } = world((step) => {
    if (step === 'readSegments') throw new StoreCorrupt('a part is missing');
  });
  const { connection } = open();
  await pass(clock, 2_000);
  expect(connection.closing()?.code).toBe(1011);
});

test('GW44: who comes while a document is being opened waits for the same opening', async () => {
  let heads = 0;
  let gate = (): void => {};
  const { clock, elsewhere, open } = world((step) => {
    if (step !== 'readHead') return undefined;
    return heads++ === 0 ? new Promise<void>((resolve) => (gate = resolve)) : undefined;
  });
  await elsewhere.append([record('a', 'text')]);
  const one = open();
  await pass(clock);
  const other = open();
  one.client.text.insert(0, 'early ');
  await pass(clock);
  gate();
  await pass(clock);
  expect(heads).toBe(2);
  for (const { client } of [one, other]) expect(client.text.toJSON().length).toBe('early text'.length);
  expect(other.client.text.toJSON()).toBe(one.client.text.toJSON());
});

test('GW116: what the store has leaves the tail, but not while a document opens that counts on it', async () => {
  let asked = 0;
  let holds = false;
  let gate = (): void => {};
  const { clock, store, elsewhere, open } = world((step) => {
    if (step === 'readCheckpoint') asked++;
    return holds && step === 'readSegments' ? new Promise<void>((resolve) => (gate = resolve)) : undefined;
  });
  /** How often the checkpoint is asked for in three seconds: it is as long as anything is kept. */
  const askedIn3s = async (): Promise<number> => {
    asked = 0;
    await pass(clock, 3_000);
    return asked;
  };
  open();
  await pass(clock);
  expect(await askedIn3s(), 'there is nothing to keep').toBe(0);
  await elsewhere.append([record('a', 'text')]);
  expect(await askedIn3s(), 'the store does not have it').toBe(3);
  holds = true;
  const { client } = open('b');
  await pass(clock);
  await store.putSegment({ document: doc, first: 0, last: 0, update: updateOf('text') });
  await store.moveCheckpoint(0, 0, 1);
  expect(await askedIn3s(), 'a document opens').toBe(3);
  holds = false;
  gate();
  await pass(clock, 1_000);
  expect(client.synced).toBe(true);
  expect(await askedIn3s(), 'the store has it').toBe(0);
});

test('GW45: an empty document goes after its time, and at once where another one needs the room; never with something unsaved', async () => {
  let fails = false;
  const { clock, gateway, open } = world(
    (step) => {
      if (fails && step === 'append') throw new JournalUnavailable('away');
    },
    { limits: { documentsMax: 2, roomIdleMs: 10_000 } },
  );
  const a = open('a');
  const b = open('b');
  await pass(clock);
  a.leave();
  await pass(clock, 5_000);
  expect(gateway.rooms.size).toBe(2);
  const c = open('c');
  await pass(clock);
  expect(c.client.synced).toBe(true);
  expect(gateway.rooms.size).toBe(2);
  const d = open('d');
  await pass(clock, 2_000);
  expect(d.connection.closing()?.code).toBe(1013);
  c.leave();
  await pass(clock, 12_000);
  expect(gateway.rooms.size).toBe(1);
  fails = true;
  b.client.text.insert(0, 'unsaved');
  await pass(clock);
  b.leave();
  await pass(clock, 12_000);
  expect(gateway.rooms.size).toBe(1);
  fails = false;
  await pass(clock, 14_000);
  expect(gateway.rooms.size).toBe(0);
});

test('GW46: sessions on one document are bounded, also those that wait for its opening', async () => {
  const { clock, open } = world(() => {}, { limits: { sessionsPerDocumentMax: 2 } });
  const all = [open(), open(), open()];
  await pass(clock, 2_000);
  all.push(open());
  await pass(clock, 2_000);
  expect(all.map(({ connection }) => connection.closing()?.code)).toEqual([undefined, undefined, 1013, 1013]);
  all[0]?.leave();
  const next = open();
  await pass(clock);
  expect(next.client.synced).toBe(true);
});

test('GW47: past the bytes of all documents, further ones are refused for now', async () => {
  const { clock, elsewhere, open } = world(() => {}, { limits: { roomsBytesMax: 1_000 } });
  await elsewhere.append([record('a', 'x'.repeat(2_000))]);
  const a = open('a');
  await pass(clock);
  const b = open('b');
  await pass(clock, 2_000);
  expect(a.client.synced).toBe(true);
  expect(b.connection.closing()?.code).toBe(1013);
  a.leave();
  const again = open('b');
  await pass(clock);
  expect(again.client.synced).toBe(true);
});

test('GW81: past the bytes of all documents nobody writes for now, and readers stay', async () => {
  const { clock, gateway, open } = world(() => {}, { limits: { roomsBytesMax: 10_000 } });
  const [a, b, reader] = [open('a'), open('b'), open('b')];
  await pass(clock);
  a.client.text.insert(0, 'x'.repeat(6_000));
  await pass(clock);
  expect(gateway.rooms.bytes).toBeGreaterThan(6_000);
  b.client.text.insert(0, 'y'.repeat(6_000));
  await pass(clock, 2_000);
  expect([a, b, reader].map(({ connection }) => connection.closing()?.code)).toEqual([undefined, 1013, undefined]);
  expect(reader.client.text.length).toBe(0);
  b.leave();
  a.leave();
  await pass(clock, 12_000);
  const again = open('b');
  await pass(clock);
  again.client.text.insert(0, 'y'.repeat(6_000));
  await pass(clock);
  expect(reader.client.text.length).toBe(6_000);
  for (const { leave } of [again, reader]) leave();
  await pass(clock, 12_000);
  expect([gateway.rooms.size, gateway.rooms.bytes]).toEqual([0, 0]);
});

test('GW48: what others append is published, and not recorded again', async () => {
  const { clock, elsewhere, journal, open } = world();
  const { client } = open();
  await pass(clock);
  await elsewhere.append([record('a', 'theirs'), record('b', 'not here')]);
  await pass(clock);
  expect(client.text.toJSON()).toBe('theirs');
  expect(await journal.highWater(0)).toBe(2);
});

test('GW49: a partition that can not be followed any more closes its documents (1012), which are read again', async () => {
  let fails = false;
  const { clock, elsewhere, open, gateway } = world((step) => {
    if (fails && step === 'read') throw new Error('the disk is gone');
  });
  const { client, connection } = open();
  await pass(clock);
  client.text.insert(0, 'mine ');
  await pass(clock);
  fails = true;
  await elsewhere.append([record('a', 'theirs')]);
  await pass(clock);
  expect(connection.closing()?.code).toBe(1012);
  expect(gateway.rooms.size).toBe(0);
  fails = false;
  const next = open();
  await pass(clock);
  expect(next.client.text.toJSON()).toContain('mine');
  expect(next.client.text.toJSON()).toContain('theirs');
});

test('GW49: a record that refers to what is not there makes its document be read again, and no reader is frozen', async () => {
  const { clock, elsewhere, open } = world();
  const { client, connection } = open();
  await pass(clock);
  const document = new Y.Doc();
  document.getText('text').insert(0, 'a');
  const before = Y.encodeStateVector(document);
  document.getText('text').insert(1, 'b');
  await elsewhere.append([{ ...record('a', ''), update: Y.encodeStateAsUpdate(document, before) }]);
  await pass(clock);
  expect(connection.closing()?.code).toBe(1012);
  expect(client.doc.store.pendingStructs).toBeNull();
});

test('GW80: a record that does not fit, and comes while its document is opened, fails the opening: nobody types into a room that is gone', async () => {
  let gate = (): void => {};
  const clock = virtualClock();
  const { elsewhere, gateway, open } = world(() => {}, { clock, pause: () => new Promise((resolve) => (gate = resolve)) });
  await elsewhere.append([record('a', 'x'.repeat(2 ** 20))]);
  const { client, connection } = open();
  await pass(clock);
  const document = new Y.Doc();
  document.getText('text').insert(0, 'a');
  const before = Y.encodeStateVector(document);
  document.getText('text').insert(1, 'b');
  await elsewhere.append([{ ...record('a', ''), update: Y.encodeStateAsUpdate(document, before) }]);
  await pass(clock);
  for (let step = 0; step < 10; step++) {
    gate();
    await pass(clock);
  }
  await pass(clock, 4_000);
  expect(connection.closing()?.code).toBe(1013);
  expect([client.synced, gateway.rooms.size]).toEqual([false, 0]);
});

test('GW109: a document that loads slowly has what came meanwhile, though the tail could not keep it', async () => {
  let gate = (): void => {};
  const { clock, elsewhere, open } = world(() => {}, {
    pause: () => new Promise((resolve) => (gate = resolve)),
    limits: { tailBytesMax: 1 },
  });
  await elsewhere.append([record('a', 'x'.repeat(2 ** 20))]);
  const { client, connection } = open();
  await pass(clock);
  expect(client.synced).toBe(false);
  await elsewhere.append([record('b', 'other'), record('a', 'meanwhile')]);
  await pass(clock);
  for (let step = 0; step < 10; step++) {
    gate();
    await pass(clock);
  }
  expect(connection.closing()).toBeUndefined();
  expect(client.text.toJSON()).toContain('meanwhile');
  expect(client.text.length).toBe(2 ** 20 + 'meanwhile'.length);
});

test('GW110: a store that is put back while a document is read gives no document with a hole', async () => {
  let putBack = (): void => {};
  const { clock, elsewhere, store, storeDisk, open } = world((step) => {
    if (step === 'readHead') putBack();
  });
  await elsewhere.append([record('a', 'stored '), record('a', 'lost ')]);
  await store.putSegment({ document: doc, first: 0, last: 0, update: updateOf('stored ') });
  await store.moveCheckpoint(0, 0, 1);
  const before = structuredClone(storeDisk);
  await store.putSegment({ document: doc, first: 1, last: 1, update: updateOf('lost ') });
  await store.moveCheckpoint(0, 1, 2);
  putBack = () => void Object.assign(storeDisk, before);
  const { client, connection } = open();
  await pass(clock, 2_000);
  expect(connection.closing()?.code).toBe(1013);
  expect([client.synced, connection.messages]).toEqual([false, []]);
  const again = open();
  await pass(clock);
  expect(again.client.text.toJSON().split(' ').toSorted()).toEqual(['', 'lost', 'stored']);
});

test('GW110: nor does one that has caught up again by the time that it was read', async () => {
  let atStep: Step = () => {};
  const { clock, elsewhere, storeDisk, open } = world((step) => atStep(step));
  const persister = createMemoryStore({ disk: storeDisk });
  await elsewhere.append([record('a', 'stored '), record('a', 'lost ')]);
  await persister.putSegment({ document: doc, first: 0, last: 0, update: updateOf('stored ') });
  await persister.moveCheckpoint(0, 0, 1);
  const before = structuredClone(storeDisk);
  const catchUp = async (by: typeof persister): Promise<void> => {
    await by.putSegment({ document: doc, first: 1, last: 1, update: updateOf('lost ') });
    await by.moveCheckpoint(0, 1, 2);
  };
  await catchUp(persister);
  const steps: string[] = [];
  atStep = async (step) => {
    if (step === 'readSegments' && !steps.includes(step)) Object.assign(storeDisk, before);
    if (step === 'readPosition' && steps.includes('readSegments') && steps.at(-1) !== step)
      await catchUp(createMemoryStore({ disk: storeDisk }));
    steps.push(step);
  };
  const { client } = open();
  await pass(clock, 2_000);
  expect(client.text.toJSON().split(' ').toSorted()).toEqual(['', 'lost', 'stored']);
});
