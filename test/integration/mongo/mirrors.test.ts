/** The contract of mirrors, on MongoDB or what stands in for it; and what any driver may have stored there. Each test has a database of its own. */

import { randomUUID } from 'node:crypto';
import {
  BSON,
  BSONRegExp,
  BSONSymbol,
  Binary,
  Code,
  Decimal128,
  Double,
  Int32,
  Long,
  MaxKey,
  MinKey,
  MongoClient,
  ObjectId,
  Timestamp,
  type Db,
  type Document,
  type UpdateFilter,
} from 'mongodb';
import { DocumentSequence } from 'mongodb/lib/cmap/commands.js';
import { describe, expect, onTestFinished, test } from 'vitest';

import { equalJson, type JsonMap } from '#shared/document/json/value.ts';
import { bytesOfMirror } from '#shared/mirror/room.ts';
import { connectionLimits, openConnection } from '#shared/store/mongo/connection.ts';
import { createMongoMirrors } from '#shared/store/mongo/mirrors.ts';
import { openDatabase } from '#shared/store/mongo.ts';
import type { Mirror, MirrorStore, StoredValue } from '#shared/store/mirrors.ts';
import { NewerVersion, StoreCorrupt } from '#shared/store/store.ts';
import { fullInkstream, mirrorsContract, plainInkstream, stateOf } from '#test/contract/mirrors.contract.ts';
import { nameOf } from '#test/contract/store.contract.ts';
import { mongodbForTests, withDatabase } from '#test/harness/backends.ts';

const document = nameOf('team-7/plan');
const mebibyte = 1024 * 1024;

type Opened = { readonly db: Db; readonly open: () => Promise<MirrorStore>; readonly close: () => Promise<void> };

async function opened(url: string): Promise<Opened> {
  const client = await MongoClient.connect(url);
  const stores: MirrorStore[] = [];
  return {
    db: client.db(),
    open: async () => {
      const { mirrors } = await openDatabase({ url });
      stores.push(mirrors);
      return mirrors;
    },
    close: async () => {
      for (const store of stores) await store.close();
      await client.db().dropDatabase();
      await client.close();
    },
  };
}

/** A document as some driver inserts it, in the bytes that it has. */
async function insertRaw(db: Db, bytes: Uint8Array): Promise<void> {
  const documents = new DocumentSequence('documents');
  documents.push({}, bytes);
  await db.command({ insert: 'mirrors', documents, ordered: true });
}

/** Puts a value where it is meant to be, past all guards. `value` is as it is stored. */
async function putStored(db: Db, { bytes }: StoredValue): Promise<void> {
  const id = BSON.serialize({ _id: document });
  const inkstream = BSON.serialize({ inkstream: { kind: 'mirror', version: 1, ...bookkeeping } });
  const value = bytes.byteLength === 0 ? [] : [bytes.subarray(0, 1), Buffer.from('value\0'), bytes.subarray(1)];
  const whole = Buffer.concat([id.subarray(0, -1), ...value, inkstream.subarray(4)]);
  whole.writeInt32LE(whole.byteLength, 0);
  await db.collection<{ _id: string }>('mirrors').deleteOne({ _id: document });
  await insertRaw(db, whole);
}

const hex = (digit: string): string => digit.repeat(64);
const bookkeeping = {
  rev: 'r',
  prev: 'p',
  upto: 7,
  sha256: hex('a'),
  hash: hex('b'),
  seal: hex('c'),
  applied: [],
  refused: [],
  unrepresented: [],
};

/** A value as the driver stores it. */
function stored(value: unknown): StoredValue {
  const bytes = BSON.serialize(new Map([['', value]]), { ignoreUndefined: false });
  return { bytes: Buffer.concat([bytes.subarray(4, 5), bytes.subarray(6, -1)]) };
}

const inDocument = (type: number, content: string): StoredValue => {
  const inner = Buffer.concat([Buffer.of(type), Buffer.from('x\0'), Buffer.from(content, 'hex')]);
  const bytes = Buffer.alloc(1 + 4 + inner.byteLength + 1);
  bytes[0] = 3;
  bytes.writeInt32LE(bytes.byteLength - 1, 1);
  inner.copy(bytes, 5);
  return { bytes };
};

/** What the stand-in has no Java object for, or none that it can store or compare. That a filter has its very bytes is in `unit/store/bson.test.ts`. */
const notOnStandIn: ReadonlySet<string> = new Set([
  ...['binary of the old subtype', 'regular expression', 'code with a scope', 'symbol', 'undefined', 'text that is no UTF-8'],
  ...['a key twice', 'another subtype', 'a symbol'],
]);

const values: readonly (readonly [string, StoredValue])[] = [
  ['int32', stored({ x: new Int32(5) })],
  ['double', stored({ x: new Double(5) })],
  ['negative zero', stored({ x: new Double(-0) })],
  ['int64', stored({ x: Long.fromBigInt(5n) })],
  ['int64 past 2^53', stored({ x: Long.fromBigInt(2n ** 53n + 1n) })],
  ['decimal', stored({ x: Decimal128.fromString('1.50') })],
  ['decimal that no number holds', stored({ x: Decimal128.fromString('0.1234567890123456789012345678901234') })],
  ['date', stored({ x: new Date(5) })],
  ['ObjectId', stored({ x: new ObjectId('65a1b2c3d4e5f60718293a4b') })],
  ['binary', stored({ x: new Binary(Uint8Array.of(0, 255)) })],
  ['binary of the old subtype', stored({ x: new Binary(Uint8Array.of(0, 255), 2) })],
  ['regular expression', stored({ x: new BSONRegExp('^a', 'i') })],
  ['timestamp', stored({ x: new Timestamp({ t: 5, i: 6 }) })],
  ['code', stored({ x: new Code('f()') })],
  ['code with a scope', stored({ x: new Code('f()', { f: 1 }) })],
  ['symbol', stored({ x: new BSONSymbol('s') })],
  ['MinKey', stored({ x: new MinKey() })],
  ['MaxKey', stored({ x: new MaxKey() })],
  ['undefined', inDocument(0x06, '')],
  ['text that is no UTF-8', inDocument(0x02, '03000000ff6100')],
  ['text with NUL', stored({ x: 'a\0b' })],
  ['a key twice', { bytes: Buffer.from('0313000000106100010000001061000200000000', 'hex') }],
  ['keys that look like integers', stored(new Map<string, unknown>([['b', 1], ['2', 2], ['1', new Map<string, unknown>([['$set', 'a.b'], ['a.b', 1], ['$ref', 1], ['', 0]])]]))],
  ['text where an object should be', stored('text')],
  ['a number where an object should be', stored(5)],
  ['a list where an object should be', stored([1, 'a', { b: [2] }])],
  ['null', stored(null)],
  ['nothing', { bytes: new Uint8Array(0) }],
]; // prettier-ignore

const had = await mongodbForTests();
if (had.kind === 'missing') {
  test('MI20: the contract of mirrors, on MongoDB', ({ skip }) => skip(had.reason));
} else {
  const ownUrl = (): string => withDatabase(had.url, `inkstream-test-${randomUUID().slice(0, 8)}`);

  mirrorsContract('MongoDB', async () => {
    const { db, open, close } = await opened(ownUrl());
    const collection = db.collection<Document & { _id: string }>('mirrors');
    const mirrors = await open();
    return {
      mirrors,
      another: open,
      reopen: async () => {
        await mirrors.close();
        return open();
      },
      outside: async (name, value, inkstream) => {
        if (value === undefined) {
          await collection.deleteOne({ _id: name });
          return;
        }
        const forged = inkstream === 'forged' ? { inkstream: { theirs: true } } : {};
        const removed = inkstream === undefined ? { $unset: { inkstream: '' } } : {};
        const update: UpdateFilter<Document> = { $set: { value, ...forged }, ...removed };
        await collection.updateOne({ _id: name }, update, { upsert: true });
      },
      dispose: close,
    };
  });

  describe('mirrors: what any driver may do', () => {
    const make = async (): Promise<{ db: Db; mirrors: MirrorStore; url: string }> => {
      const url = ownUrl();
      const { db, open, close } = await opened(url);
      onTestFinished(close);
      return { db, mirrors: await open(), url };
    };
    const read = async (mirrors: MirrorStore): Promise<Mirror> => {
      const mirror = await mirrors.readMirror(document);
      if (mirror === undefined) throw new Error('there is no mirror');
      return mirror;
    };
    const contentsOf = (mirrors: MirrorStore, rev: string) => ({
      value: mirrors.form.encode(new Map([['text', rev]])),
      inkstream: plainInkstream(rev),
    });

    const isStored = ([what]: readonly [string, ...unknown[]]): boolean => !had.isStandIn || !notOnStandIn.has(what);

    test.each(values.filter(isStored))('MS1, MS2: %s is read as it is stored, kept aside, and replaced', async (_, value) => {
      const { db, mirrors } = await make();
      await putStored(db, value);
      const { value: seen, guard } = await read(mirrors);
      expect(Buffer.from(seen.bytes).toString('hex')).toBe(Buffer.from(value.bytes).toString('hex'));
      const refused = [{ reason: 'r', time: 1, value }];
      expect(await mirrors.writeBookkeeping(document, guard, { ...plainInkstream('s'), refused })).toBe(true);
      const kept = (await read(mirrors)).inkstream?.refused[0]?.value;
      expect(Buffer.from(kept?.bytes ?? []).toString('hex')).toBe(Buffer.from(value.bytes).toString('hex'));
      expect(await mirrors.replaceMirror(document, { kind: 'rev', rev: 's' }, value, contentsOf(mirrors, 't'))).toBe(true);
    });

    /** A value that was read, and what somebody makes of it before it is replaced. */
    const edits: readonly (readonly [string, StoredValue, StoredValue])[] = [
      ['another order of keys', stored({ a: 1, b: 2 }), stored({ b: 2, a: 1 })],
      ['a number as text', stored({ a: 1 }), stored({ a: '1' })],
      ['a number as true', stored({ a: 1 }), stored({ a: true })],
      ['a date as a number', stored({ a: new Date(5) }), stored({ a: 5 })],
      ['another subtype', stored({ a: new Binary(Uint8Array.of(1)) }), stored({ a: new Binary(Uint8Array.of(1), 128) })],
      ['another case', stored({ a: 'a' }), stored({ a: 'A' })],
      ['a list of it', stored({ a: 1 }), stored([{ a: 1 }])],
      ['a list of the text', stored('a'), stored(['a'])],
      ['a list of the list', stored([1]), stored([[1]])],
      ['a list with null', stored(null), stored([null])],
      ['nothing instead of null', stored(null), { bytes: new Uint8Array(0) }],
      ['null instead of nothing', { bytes: new Uint8Array(0) }, stored(null)],
      ['a key less', stored({ a: null, b: 1 }), stored({ b: 1 })],
      ['the least more', stored({ a: Long.fromBigInt(2n ** 53n) }), stored({ a: Long.fromBigInt(2n ** 53n + 1n) })],
      ['an integer that no double holds', stored({ a: new Double(2 ** 53) }), stored({ a: Long.fromBigInt(2n ** 53n + 1n) })],
    ];
    test.each(edits.filter(isStored))('MS3: our write misses where the value became %s', async (_, before, after) => {
      const { db, mirrors } = await make();
      await putStored(db, before);
      const seen = await read(mirrors);
      await putStored(db, after);
      expect(await mirrors.replaceMirror(document, seen.guard, seen.value, contentsOf(mirrors, 's'))).toBe(false);
      expect(Buffer.from((await read(mirrors)).value.bytes).toString('hex')).toBe(Buffer.from(after.bytes).toString('hex'));
      expect(await mirrors.editValue(document, seen, before)).toBe(false);
    });

    const likes: readonly (readonly [string, unknown, unknown])[] = [
      ['an int64', new Int32(1), Long.fromBigInt(1n)],
      ['a double', new Int32(1), new Double(1)],
      ['a decimal', new Int32(1), Decimal128.fromString('1.00')],
      ['a symbol', 'a', new BSONSymbol('a')],
    ];
    test.each(likes.filter(isStored))(
      'MS4: what may be written over unseen says the same: what became %s',
      async (_, before, after) => {
        const { db, mirrors } = await make();
        await putStored(db, stored({ a: before }));
        const seen = await read(mirrors);
        await putStored(db, stored({ a: after }));
        const between = await read(mirrors);
        expect(between.value).not.toEqual(seen.value);
        const [one, other] = [mirrors.form.decode(seen.value) ?? null, mirrors.form.decode(between.value) ?? null];
        expect(equalJson(one, other)).toBe(true);
        expect(await mirrors.replaceMirror(document, seen.guard, seen.value, contentsOf(mirrors, 's'))).toBe(true);
      },
    );

    test('MS6: what is stored has the fields that it always had, readable with any client', async () => {
      const { db, mirrors } = await make();
      const value = mirrors.form.encode(new Map<string, string | JsonMap>([['text', 'a'], ['map', new Map([['2', 'b']])]])); // prettier-ignore
      await mirrors.insertMirror(document, { value, inkstream: fullInkstream('one', value) });
      await mirrors.writeState(document, undefined, stateOf('one'));
      const version = { upto: 7, sha256: hex('a'), hash: hex('b'), seal: hex('c') };
      const shown = { text: 'a', map: { 2: 'b' } };
      const bytes = (...list: number[]): Binary => new Binary(Uint8Array.from(list));
      expect(await db.collection('mirrors').find().toArray()).toEqual([
        {
          _id: document,
          value: shown,
          inkstream: {
            ...{ kind: 'mirror', version: 1, rev: 'one', prev: 'before one', ...version, omitted: 'too large: "ä 🦊"' },
            intent: { valueHash: hex('d'), update: bytes(0, 255, 1) },
            applied: [{ offset: 0, update: bytes() }, { offset: Number.MAX_SAFE_INTEGER, update: bytes(1, 2, 3) }],
            refused: [{ reason: 'not an object', time: new Date(1_700_000_000_000), value: shown }, { reason: 'too large', time: new Date(0) }],
            unrepresented: ['map.file: bytes', ''],
          },
        },
      ]); // prettier-ignore
      expect(await db.collection('mirrorStates').find().toArray()).toEqual([
        {
          ...{ _id: document, kind: 'mirror state', version: 1, rev: 'one' },
          before: { ...version, rev: 'one before', prev: 'before one before' },
          next: {
            ...version,
            rev: 'one next',
            prev: 'before one next',
            upto: 9,
            intent: { valueHash: hex('e'), update: bytes(9) },
          },
          history: [
            { upto: 7, sha256: hex('a'), applied: [{ offset: 8, update: bytes(5) }] },
            { upto: 0, sha256: '', applied: [] },
          ],
        },
      ]);
    });

    test('MS7: what others have beside it stays; lists for people may be removed; a copy put back by any driver is ours', async () => {
      const { db, mirrors } = await make();
      const collection = db.collection<{ _id: string } & Document>('mirrors');
      await mirrors.insertMirror(document, { ...contentsOf(mirrors, 'one'), inkstream: fullInkstream('one', undefined) });
      const copy = await collection.findOne({ _id: document });
      await collection.replaceOne({ _id: document }, { ...copy, tenant: 7 });
      const seen = await read(mirrors);
      expect(seen.inkstream).toEqual(fullInkstream('one', undefined));
      await collection.updateOne({ _id: document }, { $unset: { 'inkstream.refused': '', 'inkstream.unrepresented': '' } });
      expect((await read(mirrors)).inkstream).toMatchObject({ rev: 'one', refused: [], unrepresented: [] });
      expect(await mirrors.replaceMirror(document, seen.guard, seen.value, contentsOf(mirrors, 'two'))).toBe(true);
      expect(await collection.findOne({ _id: document })).toMatchObject({ tenant: 7, value: { text: 'two' } });
    });

    test('MS7: a field that is none of ours is no error, one of a newer version is, and a state that is broken', async () => {
      const { db, mirrors } = await make();
      const collection = db.collection<{ _id: string } & Document>('mirrors');
      await mirrors.insertMirror(document, contentsOf(mirrors, 'one'));
      for (const inkstream of ['text', 7, [], {}, { kind: 'theirs', version: 9 }, { kind: 'mirror', version: 1, rev: 5 }, { ...bookkeeping, kind: 'mirror', version: 1, upto: -1 }]) {
        await collection.updateOne({ _id: document }, { $set: { inkstream } });
        const seen = await read(mirrors);
        expect(seen).toMatchObject({ inkstream: undefined, guard: { kind: 'unreadable' } });
        expect(await mirrors.replaceMirror(document, seen.guard, seen.value, contentsOf(mirrors, 'two'))).toBe(true);
      }
      await collection.updateOne({ _id: document }, { $set: { 'inkstream.version': 2 } });
      await expect(mirrors.readMirror(document)).rejects.toBeInstanceOf(NewerVersion);
      await mirrors.writeState(document, undefined, stateOf('one'));
      const states = db.collection<{ _id: string } & Document>('mirrorStates');
      await states.updateOne({ _id: document }, { $set: { history: 7 } });
      await expect(mirrors.readState(document)).rejects.toBeInstanceOf(StoreCorrupt);
      await states.updateOne({ _id: document }, { $set: { version: 2 } });
      await expect(mirrors.readState(document)).rejects.toBeInstanceOf(NewerVersion);
    }); // prettier-ignore

    test('MS8: a value that does not fit into one command with a new one is replaced where it is still the same, and not where it is not', async () => {
      const { db, url } = await make();
      // The stand-in stalls on large documents: with it the limit is small instead.
      const bytesMax = had.isStandIn ? 100_000 : undefined;
      const length = had.isStandIn ? 90_000 : 16 * mebibyte - 2_000;
      const connection = await openConnection(url, connectionLimits);
      const mirrors = createMongoMirrors(connection, bytesMax);
      onTestFinished(mirrors.close);
      await putStored(db, stored({ text: 'x'.repeat(length) }));
      const seen = await read(mirrors);
      const contents = { ...contentsOf(mirrors, 's'), value: stored({ text: 'y'.repeat(length / 4) }) };
      const others = stored({ text: `${'x'.repeat(length - 1)}y` });
      await putStored(db, others);
      expect(await mirrors.replaceMirror(document, seen.guard, seen.value, contents)).toBe(false);
      expect(Buffer.compare((await read(mirrors)).value.bytes, others.bytes)).toBe(0);
      expect(await mirrors.replaceMirror(document, seen.guard, others, contents)).toBe(true);
      const now = await read(mirrors);
      expect(now.inkstream?.rev).toBe('s');
      expect(Buffer.compare(now.value.bytes, contents.value.bytes)).toBe(0);
    });

    test('MS8: what is larger than MongoDB stores is refused in words, and is no store that is away', async () => {
      const { mirrors } = await make();
      const inkstream = { ...plainInkstream('one'), applied: [{ update: new Uint8Array(16 * mebibyte), offset: 1 }] };
      const { value } = contentsOf(mirrors, 'one');
      await mirrors.insertMirror(document, contentsOf(mirrors, 'one'));
      const tooLarge = /team-7\/plan.*\d+ bytes.*16777216/u;
      const guard = { kind: 'rev', rev: 'one' } as const;
      await expect(mirrors.insertMirror(document, { value, inkstream })).rejects.toThrow(tooLarge);
      await expect(mirrors.writeBookkeeping(document, guard, inkstream)).rejects.toThrow(tooLarge);
      await expect(mirrors.replaceMirror(document, guard, value, { value, inkstream })).rejects.toThrow(tooLarge);
      await expect(mirrors.editValue(document, undefined, stored({ a: 'x'.repeat(16 * mebibyte) }))).rejects.toThrow(tooLarge);
      const state = { ...stateOf('one'), history: [{ snapshot: { upto: 1, sha256: '' }, applied: inkstream.applied }] };
      await expect(mirrors.writeState(document, undefined, state)).rejects.toThrow(tooLarge);
      expect((await read(mirrors)).inkstream?.rev).toBe('one');
    });

    test('MS13: how much room others leave is known, and what is reckoned to fit in there is stored', async () => {
      const { db, mirrors } = await make();
      const collection = db.collection<{ _id: string } & Document>('mirrors');
      await mirrors.insertMirror(document, contentsOf(mirrors, 'one'));
      const alone = await read(mirrors);
      expect(alone.roomBytes).toBeGreaterThan(16 * mebibyte - 100);
      expect(alone.roomBytes).toBeLessThanOrEqual(16 * mebibyte);
      await collection.updateOne({ _id: document }, { $set: { others: new Binary(new Uint8Array(12 * mebibyte)) } });
      const crowded = await read(mirrors);
      expect(crowded.roomBytes).toBeGreaterThan(4 * mebibyte - 200);
      expect(crowded.roomBytes).toBeLessThanOrEqual(4 * mebibyte - 20);
      const value = stored({ a: 'x'.repeat(2 * mebibyte) });
      const bookkeeping = plainInkstream('two');
      const left = crowded.roomBytes - bytesOfMirror(value, bookkeeping);
      const inkstream = { ...bookkeeping, applied: [{ update: new Uint8Array(left - 200), offset: 1 }] };
      expect(bytesOfMirror(value, inkstream)).toBeLessThanOrEqual(crowded.roomBytes);
      expect(await mirrors.replaceMirror(document, crowded.guard, crowded.value, { value, inkstream })).toBe(true);
      const [whole] = await collection.find({ _id: document }, { raw: true }).toArray();
      expect((whole as unknown as Buffer).byteLength).toBeLessThanOrEqual(16 * mebibyte);
    });

    test('MS9: ids that are no names are left out, in whatever pages they come', async () => {
      const { db, mirrors } = await make();
      const collection = db.collection<{ _id: unknown } & Document>('mirrors');
      const ids: unknown[] = ['a', 'b\u0001', 'c', 'x'.repeat(513), 'y', new ObjectId(), 7, 'd\u0002', 'd\u0003', 'd\u0004', 'e'];
      await collection.insertMany(ids.map((_id) => ({ _id, value: {} })));
      for (const limit of [1, 2, 3, 100]) {
        const found: string[] = [];
        for (let page = await mirrors.listDocuments(undefined, limit); page.length > 0; page = await mirrors.listDocuments(page.at(-1), limit)) found.push(...page);
        expect(found).toEqual(['a', 'c', 'e', 'y']);
      }
    }); // prettier-ignore
  });
}
