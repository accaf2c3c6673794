import { expect, onTestFinished, test } from 'vitest';
import * as Y from 'yjs';
import type { DocumentName } from '#shared/document/name.ts';
import { readDocument } from '#shared/store/load.ts';
import { nameOf } from '#test/contract/store.contract.ts';
import { createDisks, get, openDesk, patch, put, type Desk, type DeskOptions } from '#test/harness/json-desk.ts';

const plan = nameOf('team-7/plan');

async function open(options: DeskOptions = {}): Promise<Desk> {
  const desk = await openDesk(options);
  onTestFinished(() => desk.stop());
  return desk;
}

/** Somebody who types, straight into the journal. */
async function typist(desk: Desk, document: DocumentName, client: number) {
  const doc = new Y.Doc();
  doc.clientID = client;
  const sync = async (): Promise<void> => {
    for (const update of await updatesOf(desk, document)) Y.applyUpdate(doc, update);
  };
  await sync();
  return {
    doc,
    sync,
    type: async (edit: (doc: Y.Doc) => void): Promise<void> => {
      const before = Y.encodeStateVector(doc);
      edit(doc);
      await append(desk, document, Y.encodeStateAsUpdate(doc, before));
    },
  };
}

const append = (desk: Desk, document: DocumentName, update: Uint8Array) =>
  desk.journal.append([{ kind: 'update', document, update, origin: 'typist', author: '', time: 0 }]);

/** All that is in the store of it, once the store has all of the journal. */
async function updatesOf(desk: Desk, document: DocumentName): Promise<readonly Uint8Array[]> {
  await desk.persister.storeThrough(0, await desk.journal.highWater(0));
  return (await readDocument(desk.store, document)).updates;
}

async function docOf(desk: Desk, document: DocumentName): Promise<Y.Doc> {
  const doc = new Y.Doc();
  for (const update of await updatesOf(desk, document)) Y.applyUpdate(doc, update);
  return doc;
}

const etagOf = (outcome: Awaited<ReturnType<typeof put>>): string => {
  if (outcome.kind !== 'changed') throw new Error(JSON.stringify(outcome));
  return outcome.etag;
};

test('JD12: a document is answered as it is, with what was typed a moment ago and with what this process was sent until then', async () => {
  let settled: () => Promise<unknown> = async () => {};
  const desk = await open({ settle: async () => void (await settled()) });
  expect(await get(desk, plan)).toBeUndefined();
  const person = await typist(desk, plan, 1);
  await person.type((doc) => doc.getText('text').insert(0, 'Hello'));
  expect(await get(desk, plan)).toMatchObject({ value: { text: 'Hello' } });
  const update = await new Promise<Uint8Array>((resolve) => {
    person.doc.once('update', resolve);
    person.doc.getText('text').insert(5, ' you');
  });
  settled = () => append(desk, plan, update);
  expect(await get(desk, plan)).toMatchObject({ value: { text: 'Hello you' } });
});

test('JD12: the ETag is the same for as long as the document says the same, in whatever words, after compactions and restarts', async () => {
  const disks = createDisks();
  const desk = await open({ disks });
  const etag = etagOf(await put(desk, plan, '{"b": {"2": 2.0, "1": 1}, "a": "x", "gone": null, "lone": "\\ud800"}'));
  expect(await get(desk, plan)).toEqual({ value: { a: 'x', b: { 1: 1, 2: 2 }, lone: '\ufffd' }, etag });
  for (const same of ['{"lone":"\ufffd","a":"x","b":{"1":1,"2":2e0}}', '{"a":"x","b":{"1":1,"2":2},"lone":"\\udfff","c":null}'])
    expect(etagOf(await put(desk, plan, same))).toBe(etag);
  const other = etagOf(await put(desk, plan, { a: 'y' }));
  expect(other).not.toBe(etag);
  expect(etagOf(await put(desk, plan, { a: 'x', b: { 1: 1, 2: 2 }, lone: '\ufffd' }))).toBe(etag);
  const person = await typist(desk, plan, 1);
  await person.type((doc) => doc.getText('a').insert(1, 'y'));
  await person.type((doc) => doc.getText('a').delete(1, 1));
  expect((await get(desk, plan))?.etag).toBe(etag);
  await desk.stop();
  const next = await open({ disks });
  expect((await get(next, plan))?.etag).toBe(etag);
});

test('JD13: the ETag of a change does not speak of what somebody typed meanwhile', async () => {
  let meanwhile: (() => Promise<void>) | undefined;
  const desk = await open({
    step: async (name) => {
      if (name !== 'before editValue') return;
      const run = meanwhile;
      meanwhile = undefined;
      await run?.();
    },
  });
  await put(desk, plan, { text: 'Hello', meta: { n: 1 } });
  const person = await typist(desk, plan, 1);
  meanwhile = () => person.type((doc) => doc.getText('text').insert(5, ' you'));
  const etag = etagOf(await put(desk, plan, { text: 'Hello!', meta: { n: 1 } }));
  expect(await put(desk, plan, { text: '', meta: { n: 2 } }, (now) => now === etag)).toMatchObject({
    kind: 'precondition-failed',
  });
  const now = await get(desk, plan);
  expect(now?.etag).not.toBe(etag);
  expect(now).toMatchObject({ value: { text: expect.stringMatching(/^Hello(?:! you| you!)$/u) } });
  expect(await put(desk, plan, { text: '' }, (etag) => etag === now?.etag)).toMatchObject({ kind: 'changed' });
});

test('JD13: somebody who begins to type where a document is made loses nothing', async () => {
  let meanwhile: (() => Promise<void>) | undefined;
  const desk = await open({ step: async (name) => (name === 'before editValue' ? meanwhile?.() : undefined) });
  const person = await typist(desk, plan, 1);
  meanwhile = async () => {
    meanwhile = undefined;
    await person.type((doc) => doc.getText('text').insert(0, 'typed'));
  };
  expect(await put(desk, plan, { title: 'new' }, (etag) => etag === undefined)).toMatchObject({ kind: 'changed', isNew: true });
  expect(await get(desk, plan)).toMatchObject({ value: { text: 'typed', title: 'new' } });
});

test('JD14: what is refused leaves the document as it was, and an unknown one unknown; an empty one is {}', async () => {
  const desk = await open();
  expect(await put(desk, plan, [1])).toMatchObject({ kind: 'refused', reason: expect.stringContaining('has to be an object') });
  expect(await put(desk, plan, { n: 5 })).toMatchObject({ kind: 'refused' });
  expect(await put(desk, plan, '{')).toMatchObject({ kind: 'malformed', line: 1 });
  expect(await patch(desk, plan, 'null')).toMatchObject({ kind: 'refused', reason: expect.stringContaining('the patch') });
  expect(await put(desk, plan, { text: 'x'.repeat(4 * 1024 * 1024) })).toMatchObject({
    kind: 'refused',
    reason: expect.stringMatching(/\d bytes/u),
  });
  expect(await get(desk, plan)).toBeUndefined();
  expect([desk.mirrors.disk.mirrors.size, desk.mirrors.disk.states.size, await desk.journal.highWater(0)]).toEqual([0, 0, 0]);

  expect(await put(desk, plan, {})).toMatchObject({ kind: 'changed', isNew: true });
  expect(await get(desk, plan)).toMatchObject({ value: {} });
  expect(await put(desk, plan, { text: 'a' })).toMatchObject({ kind: 'changed', isNew: false });
  const before = await get(desk, plan);
  expect(await put(desk, plan, { text: 5 })).toMatchObject({ kind: 'refused', reason: expect.stringContaining('text') });
  expect(await get(desk, plan)).toEqual(before);
  expect(await put(desk, plan, { text: 'b' })).toMatchObject({ kind: 'changed' });
  expect(await put(desk, plan, {})).toMatchObject({ kind: 'changed', isNew: false });
  expect((await docOf(desk, plan)).getText('text').toJSON()).toBe('');
  expect(await get(desk, plan)).toMatchObject({ value: {} });
});

test('JD5: a document that has more JSON than a mirror holds is said to be too large, and stays', async () => {
  const desk = await open();
  const person = await typist(desk, plan, 1);
  await person.type((doc) => doc.getText('text').insert(0, 'x'.repeat(4 * 1024 * 1024 + 1)));
  expect(await desk.documents.look(plan)).toMatchObject({ kind: 'unfit', reason: expect.stringMatching(/at most 4194304/u) });
  expect(await put(desk, plan, { text: '' })).toMatchObject({
    kind: 'refused',
    reason: expect.stringMatching(/at most 4194304/u),
  });
  await person.type((doc) => doc.getText('text').delete(0, 100));
  expect(await desk.documents.look(plan)).toMatchObject({ kind: 'found' });
});

test(
  'JD18, JD19: a thousand changes of one field leave a small document, and make few snapshots',
  { timeout: 120_000 },
  async () => {
    const desk = await open();
    await put(desk, plan, { meta: { title: 'plan', count: 0 } });
    const changes = 1000;
    for (let count = 1; count <= changes; count++) await patch(desk, plan, { meta: { count } });
    expect(await get(desk, plan)).toMatchObject({ value: { meta: { title: 'plan', count: changes } } });
    const bytes = Y.encodeStateAsUpdate(await docOf(desk, plan)).byteLength;
    console.log(`${changes} changes of one field: a document of ${bytes} bytes, ${desk.compactions()} compactions`);
    expect(bytes).toBeLessThan(200);
    expect(desk.compactions()).toBeLessThan(changes / 20);
  },
);

test('JD5: a document that is left out has no JSON, and takes none', async () => {
  const desk = await open();
  const draft = nameOf('drafts/plan');
  const person = await typist(desk, draft, 1);
  await person.type((doc) => doc.getText('text').insert(0, 'Hello'));
  expect(await desk.documents.look(draft)).toMatchObject({
    kind: 'unfit',
    reason: expect.stringContaining('INKSTREAM_MIRROR_LEFT_OUT'),
  });
  expect(await put(desk, draft, { text: '' })).toMatchObject({ kind: 'refused', reason: expect.stringContaining('left out') });
  expect(desk.mirrors.disk.mirrors.size).toBe(0);
});

test('EM6: what was made for the mirror of a document that is read and typed into all the time is deleted again', async () => {
  const desk = await open({ limits: { retireAfterMs: 1 } });
  const person = await typist(desk, plan, 1);
  for (let n = 0; n < 30; n++) {
    await person.type((doc) => doc.getText('text').insert(0, `${n} `));
    await get(desk, plan);
  }
  expect(desk.compactions()).toBe(30);
  const leavings = async (): Promise<boolean> => {
    const named = await desk.mirrors.listNamedSnapshots(plan);
    const kept = (await desk.store.listSnapshots(plan)).filter(({ sha256 }) => !named.some((name) => name.sha256 === sha256));
    return kept.length > 0 || (await desk.store.listSegments(plan, 0)).length > 0;
  };
  await expect.poll(leavings).toBe(false);
  expect((await desk.store.listSnapshots(plan)).length).toBeLessThanOrEqual(9);
  expect(await get(desk, plan)).toMatchObject({ value: { text: expect.stringMatching(/^29 28 27 /u) } });
});

test('JD21: several who ask at once come one after the other, each on what the one before left', async () => {
  const desk = await open();
  await put(desk, plan, { meta: {} });
  await Promise.all(Array.from({ length: 20 }, (_, i) => patch(desk, plan, { meta: { [`key ${i}`]: i } })));
  const { value } = (await get(desk, plan)) as { value: { meta: object } };
  expect(Object.keys(value.meta)).toHaveLength(20);
  const etag = (await get(desk, plan))?.etag;
  const raced = await Promise.all([1, 2, 3].map((winner) => patch(desk, plan, { meta: { winner } }, (now) => now === etag)));
  expect(raced.map(({ kind }) => kind)).toEqual(['changed', 'precondition-failed', 'precondition-failed']);
  const other = nameOf('other');
  const made = await Promise.all([1, 2].map((n) => put(desk, other, { text: `${n}` }, (now) => now === undefined)));
  expect(made.map(({ kind }) => kind)).toEqual(['changed', 'precondition-failed']);
});

const never = new Promise<never>(() => {});

/** Makes a document, and changes it in a process that is killed at its step `at`. Returns whether it came so far. */
async function killedAt(at: number, disks: ReturnType<typeof createDisks>): Promise<boolean> {
  let steps = 0;
  let killed: () => void = () => {};
  const reached = new Promise<void>((resolve) => (killed = resolve));
  let isArmed = false;
  const desk = await openDesk({
    disks,
    step: (name) => {
      if (!isArmed || !/editValue|writeState|writeBookkeeping|insertMirror|replaceMirror|append/u.test(name)) return undefined;
      if (steps++ !== at) return undefined;
      killed();
      return never;
    },
  });
  await put(desk, plan, { text: 'one two', meta: { n: 1 } });
  const person = await typist(desk, plan, 1);
  await person.type((doc) => doc.getText('text').insert(7, ' three'));
  isArmed = true;
  const changed = patch(desk, plan, { text: 'one 2 two three', meta: { n: 2 } }).then(() => false, () => true); // prettier-ignore
  const isKilled = await Promise.race([reached.then(() => true), changed]);
  desk.crash();
  return isKilled;
}

test('JD20: a change whose process is killed at any step is there whole or not at all, and never twice', async () => {
  let whole = 0;
  let none = 0;
  for (let at = 0; ; at++) {
    const disks = createDisks();
    const isKilled = await killedAt(at, disks);
    const desk = await openDesk({ disks });
    if (at % 2 === 0) await desk.finishAll();
    const found = await get(desk, plan);
    const texts = { text: 'one two three', meta: { n: 1 } };
    const changed = { text: 'one 2 two three', meta: { n: 2 } };
    expect([texts, changed], `killed at step ${at}`).toContainEqual(found?.value);
    if (JSON.stringify(found?.value).includes('"n":2')) whole++;
    else none++;
    expect(await patch(desk, plan, { text: 'one 2 two three four' }), `killed at step ${at}`).toMatchObject({ kind: 'changed' });
    expect((await docOf(desk, plan)).getText('text').toJSON()).toBe('one 2 two three four');
    await desk.stop();
    if (!isKilled) break;
  }
  console.log(`killed at every step: ${whole} whole, ${none} not at all`);
  expect(Math.min(whole, none)).toBeGreaterThan(3);
});
