/** A data directory that is in use, can't be used, or is full. */

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openEmbeddedJournal } from '#shared/journal/embedded.ts';
import { JournalUnavailable } from '#shared/journal/journal.ts';
import { lockDirectory } from '#shared/runtime/directory-lock.ts';
import { EnvironmentUnavailable, openEnvironment } from '#shared/runtime/lmdb.ts';
import { openEmbeddedStore } from '#shared/store/embedded.ts';
import { StoreUnavailable } from '#shared/store/store.ts';
import { collect, recordOf } from '#test/contract/journal.contract.ts';
import { deleteCovered, nameOf, segmentOf } from '#test/contract/store.contract.ts';
import { startTalking, type TalkingProcess } from '#test/harness/lines.ts';
import { virtualClock } from '#test/harness/virtual-clock.ts';
import { temporaryDirectory } from '#test/harness/temporary-directory.ts';

const program = join(import.meta.dirname, '../harness/embedded-process.ts');

let directory: ReturnType<typeof temporaryDirectory>;
const started: TalkingProcess[] = [];
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((one) => one.kill()));
  directory.remove();
});

const hold = (path: string): TalkingProcess => {
  const process_ = startTalking(process.execPath, program, path, 'hold');
  started.push(process_);
  return process_;
};

describe('JR19: one process for one directory', () => {
  test('a second one is refused and told which has it, also while that one is frozen', async () => {
    const owner = hold(directory.path);
    const pid = (await owner.line(/^open/)).split(' ')[1];
    await expect(openEnvironment({ directory: directory.path })).rejects.toThrow(`in use by process ${pid}`);
    expect(await hold(directory.path).line(/^refused/)).toContain(`in use by process ${pid}`);
    owner.child.kill('SIGSTOP');
    await expect(openEnvironment({ directory: directory.path })).rejects.toBeInstanceOf(EnvironmentUnavailable);
    owner.child.kill('SIGCONT');
    await expect(openEnvironment({ directory: directory.path })).rejects.toThrow(`in use by process ${pid}`);
  });

  test('after kill -9 the next one has it, and of six that come at once exactly one', async () => {
    for (let round = 0; round < 2; round++) {
      const rivals = Array.from({ length: 6 }, () => hold(directory.path));
      const said = await Promise.all(rivals.map((one) => one.line(/^(open|refused)/)));
      expect(said.filter((line) => line.startsWith('open'))).toHaveLength(1);
      expect(said.filter((line) => line.includes('in use by process'))).toHaveLength(5);
      await rivals[said.findIndex((line) => line.startsWith('open'))]?.kill();
    }
    const environment = await openEnvironment({ directory: directory.path });
    await environment.close();
    expect(readdirSync(directory.path).filter((name) => name.startsWith('owner'))).toHaveLength(1);
  });

  test('twice in one process is refused too, and closing gives it free', async () => {
    const environment = await openEnvironment({ directory: directory.path });
    await expect(openEnvironment({ directory: directory.path })).rejects.toThrow(`in use by process ${process.pid}`);
    await environment.close();
    const again = await openEnvironment({ directory: directory.path });
    await again.close();
  });

  test('claims that are left over, and are no sockets or of nobody, do not block', async () => {
    mkdirSync(join(directory.path, 'owner-41'), { recursive: true });
    writeFileSync(join(directory.path, 'owner-41', 'socket'), String(process.pid));
    mkdirSync(join(directory.path, 'owner-7'));
    const environment = await openEnvironment({ directory: directory.path });
    expect(readdirSync(directory.path).filter((name) => name.startsWith('owner'))).toEqual(['owner-42']);
    await environment.close();
  });

  test('a starter that was overtaken while it asked the dead owner steps back', async () => {
    const dead = join(directory.path, 'owner-7');
    mkdirSync(dead);
    const asked = Promise.withResolvers<Socket>();
    const dying = createServer((socket) => asked.resolve(socket)).listen(join(dead, 'socket'));
    await once(dying, 'listening');
    const slow = Promise.allSettled([lockDirectory(directory.path)]);
    const question = await asked.promise;
    dying.close();
    const first = await lockDirectory(directory.path);
    await first.release();
    const second = await lockDirectory(directory.path);
    question.destroy();
    const [outcome] = await slow;
    expect(outcome).toMatchObject({ status: 'rejected' });
    expect(readdirSync(directory.path)).toEqual(['owner-9']);
    await second.release();
  });

  test('the path may be longer than that of a socket', async () => {
    const long = join(directory.path, 'a'.repeat(120), 'b'.repeat(120));
    const environment = await openEnvironment({ directory: long });
    await expect(openEnvironment({ directory: long })).rejects.toThrow('in use by process');
    await environment.close();
  });
});

describe('JR20: a directory that can not be used', () => {
  test('under a file', async () => {
    writeFileSync(join(directory.path, 'file'), '');
    await expect(openEnvironment({ directory: join(directory.path, 'file', 'data') })).rejects.toBeInstanceOf(
      EnvironmentUnavailable,
    );
  });

  test('without the right to write', async ({ skip }) => {
    skip(process.getuid?.() === 0, 'root may write anywhere');
    chmodSync(directory.path, 0o500);
    await expect(openEnvironment({ directory: join(directory.path, 'data') })).rejects.toThrow("can't be used");
  });

  test.each([
    ['a text', 'no database of ours, but a text of some length'.repeat(1000)],
    ['a few bytes', 'abc'],
    ['another format of the database', Buffer.from(`${'00'.repeat(24)}dec0efbe01000000${'00'.repeat(8192)}`, 'hex')],
  ])('with %s where the data should be', async (_, content) => {
    writeFileSync(join(directory.path, 'data.mdb'), content);
    await expect(openEnvironment({ directory: directory.path })).rejects.toThrow("can't be opened");
    rmSync(join(directory.path, 'data.mdb'));
    await (await openEnvironment({ directory: directory.path })).close();
  });
});

describe('JR18, ST19: a full disk', () => {
  const mount = (): string | undefined => {
    const path = join(directory.path, 'small');
    mkdirSync(path);
    return spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', path]).status === 0 ? path : undefined;
  };

  test.for<[string, number, string]>([
    ['with room in reserve', 4 * 1024 * 1024, 'Make room'],
    ['to the last byte', 0, "can't be written"],
  ])(
    '%s: refused with a reason, deleting works, and it goes on when there is room',
    async ([, diskReserveBytes, reason], { skip }) => {
      const path = mount();
      if (path === undefined) return skip('no right to mount a small disk');
      try {
        const ballast = join(path, 'ballast');
        writeFileSync(ballast, new Uint8Array(4 * 1024 * 1024));
        const environment = await openEnvironment({ directory: join(path, 'data'), diskReserveBytes, commitIntervalMs: 0 });
        const journal = await openEmbeddedJournal(environment);
        const store = openEmbeddedStore(environment);
        const document = nameOf('a');
        await store.putSegment(segmentOf(document, 0, 1, new Uint8Array(100_000)));
        const record = recordOf('a', new Uint8Array(200_000));
        let taken = 0;
        let refused: Error | undefined;
        while (refused === undefined) {
          const [outcome] = await Promise.allSettled([journal.append([record])]);
          if (outcome.status === 'fulfilled') taken += 1;
          else refused = outcome.reason as Error;
        }
        expect(refused).toBeInstanceOf(JournalUnavailable);
        expect(refused.message).toContain(reason);
        expect(taken).toBeGreaterThan(5);
        const large = segmentOf(document, 2, 3, new Uint8Array(1_000_000));
        await expect(store.putSegment(large)).rejects.toBeInstanceOf(StoreUnavailable);
        await journal.trim(0, 3);
        await deleteCovered(store, document, 9);
        expect(await journal.highWater(0)).toBe(taken);
        rmSync(ballast);
        expect(await journal.append([record])).toEqual([{ kind: 'appended', offset: taken }]);
        await store.putSegment(large);
        const reader = collect(journal, 0, 3);
        await reader.reaches(taken + 1);
        expect(reader.records()).toHaveLength(taken - 2);
        await journal.close();
        await environment.close();
      } finally {
        spawnSync('umount', [path]);
      }
    },
  );
});

test('JR20: a directory that is removed while it is in use takes nothing more', async () => {
  const environment = await openEnvironment({ directory: directory.path, commitIntervalMs: 0 });
  const journal = await openEmbeddedJournal(environment);
  await journal.append([recordOf('a', 1)]);
  rmSync(directory.path, { recursive: true });
  await expect(journal.append([recordOf('a', 2)])).rejects.toBeInstanceOf(JournalUnavailable);
  await expect(journal.append([recordOf('a', 3)])).rejects.toThrow("can't be written");
  expect(await journal.highWater(0)).toBe(1);
  await journal.close();
  await environment.close();
});

test('JR22: a disk that does not answer is given up, and nothing is written any more', async () => {
  const clock = virtualClock();
  const environment = await openEnvironment({ directory: directory.path, commitIntervalMs: 0, commitMsMax: 1000, clock });
  const journal = await openEmbeddedJournal(environment);
  const outcomes = Promise.allSettled([journal.append([recordOf('a', 1)])]);
  await Promise.resolve();
  void clock.advance(1000); // before the real disk could
  const [outcome] = await outcomes;
  expect(outcome).toMatchObject({ status: 'rejected', reason: { name: 'JournalUnavailable' } });
  await expect(journal.append([recordOf('a', 2)])).rejects.toBeInstanceOf(JournalUnavailable);
  expect(await journal.highWater(0)).toBe(0);
  await journal.close();
  await environment.close();
  await expect(openEnvironment({ directory: directory.path })).rejects.toThrow('in use by process');
});
