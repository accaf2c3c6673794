/** Segments that are written while they are read: a server tells what each look at them finds. */

import { Binary, type Document } from 'mongodb';
import { expect, onTestFinished, test } from 'vitest';
import { openMongoStore } from '#shared/store/mongo.ts';
import { StoreUnavailable, type Store } from '#shared/store/store.ts';
import { nameOf } from '#test/contract/store.contract.ts';
import { found, startScriptedMongodb } from '#test/harness/scripted-mongodb.ts';

const name = 'plan';
const document = nameOf(name);

type Ids = readonly (readonly [first: number, last: number])[];

const stored = ([first, last]: Ids[number]): Document => {
  const update = new Binary(Uint8Array.of(first, last));
  return { _id: { doc: name, first, last }, kind: 'segment', version: 1, bytes: 2, update };
};

const rangeIn = (command: Document) => (command['filter'] as Document)['_id'] as { $gte: Document; $lte?: Document };

/** A store of which the n-th look at the segments finds the n-th of these, and further ones what `after` says; bounds are kept to. */
async function storeThatFinds(looks: readonly Ids[], after: (look: number) => Ids = () => looks.at(-1) ?? []) {
  let look = 0;
  const finds: Document[] = [];
  const server = await startScriptedMongodb({
    role: 'member',
    answer: (command) => {
      if (command['find'] !== 'segments') return undefined;
      finds.push(command);
      const ids = looks[look] ?? after(look);
      look++;
      const { $gte: from, $lte: upto } = rangeIn(command);
      const isAbove = ([first, last]: Ids[number]) => first > from['first'] || (first === from['first'] && last >= from['last']);
      const isBelow = ([first, last]: Ids[number]) =>
        upto === undefined || first < upto['first'] || (first === upto['first'] && last <= upto['last']);
      return found(ids.filter((id) => isAbove(id) && isBelow(id)).map(stored));
    },
  });
  onTestFinished(() => server.close());
  const store: Store = await openMongoStore({ url: `mongodb://${server.address}/db` });
  onTestFinished(() => store.close());
  return { store, finds };
}

const idsRead = async (store: Store): Promise<Ids> =>
  (await store.readSegments(document, 0)).map(({ first, last, update }) => {
    expect(update).toEqual(Uint8Array.of(first, last));
    return [first, last] as const;
  });

test('ST39: segments that nobody writes meanwhile are read once and listed once', async () => {
  const ids: Ids = [[0, 3], [4, 9]]; // prettier-ignore
  const { store, finds } = await storeThatFinds([ids, ids]);
  expect(await idsRead(store)).toEqual(ids);
  expect(finds).toHaveLength(2);
});

test('ST39: a flush that is repeated with other borders while segments are read makes no hole', async () => {
  // 1–3 was read; then came 0–6, which is behind, and 7–12, which is ahead: read page by page that would be 1–3 and 7–12.
  const torn: Ids = [[1, 3], [7, 12]]; // prettier-ignore
  const all: Ids = [[0, 6], [1, 3], [7, 12]]; // prettier-ignore
  const { store } = await storeThatFinds([torn], () => all);
  expect(await idsRead(store)).toEqual(all);
});

test('ST39: what is deleted while it is read is left out, and what comes and goes is not half there', async () => {
  const { store } = await storeThatFinds([
    [[0, 3], [4, 9]],
    [[4, 9], [10, 11], [12, 13]],
    [[10, 11], [12, 13]],
    [[4, 9], [12, 13]],
  ]); // prettier-ignore
  expect(await idsRead(store)).toEqual([[4, 9], [12, 13]]); // prettier-ignore
});

test('ST39: what was listed and is gone when it is to be read is looked for once more', async () => {
  const { store } = await storeThatFinds([
    [[4, 9]],
    [
      [4, 9],
      [10, 11],
    ],
    [],
    [[4, 9]],
  ]);
  expect(await idsRead(store)).toEqual([[4, 9]]);
});

test('ST39: only what is new is read again', async () => {
  const before: Ids = Array.from({ length: 50 }, (_, i) => [i * 10, i * 10 + 9]);
  const { store, finds } = await storeThatFinds([before], () => [...before, [500, 501], [502, 509]]);
  expect(await idsRead(store)).toHaveLength(52);
  const [, , again] = finds;
  expect(rangeIn(again ?? {})).toEqual({
    $gte: { doc: name, first: 500, last: 501 },
    $lte: { doc: name, first: 502, last: 509 },
  });
});

test('ST39: a document that is written to whenever it is looked at is to be read later', async () => {
  const { store, finds } = await storeThatFinds([], (look) => [[look, look + 1]]);
  await expect(store.readSegments(document, 0)).rejects.toBeInstanceOf(StoreUnavailable);
  expect(finds.length).toBeLessThan(50);
});
