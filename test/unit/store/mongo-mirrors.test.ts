/** Mirrors in MongoDB against a server that answers what no database does on command. */

import type { Document } from 'mongodb';
import { expect, onTestFinished, test } from 'vitest';

import type { MirrorStore } from '#shared/store/mirrors.ts';
import { openDatabase } from '#shared/store/mongo.ts';
import { StoreUnavailable } from '#shared/store/store.ts';
import { plainInkstream, stateOf } from '#test/contract/mirrors.contract.ts';
import { nameOf } from '#test/contract/store.contract.ts';
import {
  atTime,
  clusterTime,
  found,
  startScriptedMongodb,
  type Script,
  type ScriptedMongodb,
} from '#test/harness/scripted-mongodb.ts';

const document = nameOf('team-7/plan');

async function opened(
  answer: Script['answer'],
): Promise<{ mirrors: MirrorStore; server: ScriptedMongodb; database: Awaited<ReturnType<typeof openDatabase>> }> {
  const server = await startScriptedMongodb({ role: 'member', ...(answer === undefined ? {} : { answer }) });
  const database = await openDatabase({ url: `mongodb://${server.address}/db?w=1&readPreference=secondaryPreferred` });
  onTestFinished(async () => {
    await database.close();
    await server.close();
  });
  return { mirrors: database.mirrors, server, database };
}

type Write = (mirrors: MirrorStore) => Promise<boolean>;
const writes: readonly (readonly [string, Write])[] = [
  ['writeState', (mirrors) => mirrors.writeState(document, undefined, stateOf('one'))],
  ['writeState over another', (mirrors) => mirrors.writeState(document, 'one', stateOf('two'))],
  ['writeBookkeeping', (mirrors) => mirrors.writeBookkeeping(document, { kind: 'missing' }, plainInkstream('one'))],
  ['insertMirror', (mirrors) => mirrors.insertMirror(document, { value: mirrors.form.encode(new Map()), inkstream: plainInkstream('one') })],
  ['replaceMirror', (mirrors) => mirrors.replaceMirror(document, { kind: 'rev', rev: 'one' }, mirrors.form.encode(undefined), { value: mirrors.form.encode(new Map()), inkstream: plainInkstream('two') })],
  ['editValue', (mirrors) => mirrors.editValue(document, undefined, mirrors.form.encode(new Map()))],
]; // prettier-ignore

const isWrite = (command: Document): boolean => 'update' in command || 'insert' in command;

test.each(writes)('MS10: %s waits for a majority and its journals, within limits, in a session, whatever the URL says', async (_, write) => {
  const { mirrors, server } = await opened(undefined);
  expect(await write(mirrors)).toBe(true);
  const [command, ...others] = server.commands.filter(isWrite);
  expect(others).toEqual([]);
  expect(command).toMatchObject({ ordered: true, $db: 'db', maxTimeMS: 10_000, writeConcern: { w: 'majority', j: true, wtimeout: 10_000 }, lsid: expect.anything() });
}); // prettier-ignore

test.each(writes)('MS10: %s that no majority confirmed has not been made for sure, one that finds nothing has missed', async (_, write) => {
  let answer: Document = { n: 1, writeConcernError: { code: 64, errmsg: 'waiting for replication timed out' } };
  const { mirrors } = await opened((command) => (isWrite(command) ? answer : undefined));
  await expect(write(mirrors)).rejects.toThrow(StoreUnavailable);
  answer = { n: 0, writeErrors: [{ index: 0, code: 11_000, errmsg: 'E11000 duplicate key' }], writeConcernError: { code: 64, errmsg: 'timed out' } };
  await expect(write(mirrors)).rejects.toThrow(StoreUnavailable);
  answer = { n: 0, writeErrors: [{ index: 0, code: 17_419, errmsg: 'Resulting document after update is larger than 16777216' }] };
  await expect(write(mirrors)).rejects.toThrow(/can't store what document "team-7\/plan" has there: Resulting document/u);
  answer = { n: 0, writeErrors: [{ index: 0, code: 14_031, errmsg: 'no space' }] };
  await expect(write(mirrors)).rejects.toThrow(StoreUnavailable);
  answer = { ok: 0, code: 10_107, errmsg: 'not primary', codeName: 'NotWritablePrimary' };
  await expect(write(mirrors)).rejects.toThrow(StoreUnavailable);
}); // prettier-ignore

test('MS11: what mirrors and documents were read at is told to each other, so that neither reads anything older', async () => {
  const { mirrors, database, server } = await opened((command) => {
    if ('update' in command) return { n: 1, ...atTime(50) };
    return 'find' in command ? found([]) : undefined;
  });
  await mirrors.writeState(document, 'one', stateOf('two'));
  await database.store.readHead(document);
  const command = server.commands.findLast((one) => one['find'] === 'documents');
  expect(command).toMatchObject({ readConcern: { level: 'majority', afterClusterTime: clusterTime(50) } });
  expect(command?.['$readPreference'] ?? { mode: 'primary' }).toEqual({ mode: 'primary' });
});

test('MS12: of the snapshots that a mirror and its state name, the names alone are asked for', async () => {
  const { mirrors, server } = await opened((command) => ('find' in command ? found([]) : undefined));
  expect(await mirrors.listNamedSnapshots(document)).toEqual([]);
  const asked = server.commands.filter((one) => 'find' in one && one['find'] !== 'checkpoints'); // asked at the opening
  expect(asked.map(({ find }) => find as string)).toEqual(['mirrors', 'mirrorStates']);
  for (const { projection } of asked) {
    expect(Object.keys(projection as Document)).not.toEqual([]);
    for (const [field, isAsked] of Object.entries(projection as Document)) {
      expect(field).toMatch(/(^|\.)(kind|version|upto|sha256)$/u);
      expect(isAsked).toBe(1);
    }
  }
});
