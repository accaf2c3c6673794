import { describe, expect, test } from 'vitest';
import { createMemoryStore, createStoreDisk } from '#shared/store/memory.ts';
import { StoreUnavailable } from '#shared/store/store.ts';
import { deleteCovered, nameOf, segmentOf, storeContract } from '#test/contract/store.contract.ts';
import { settle } from '#test/harness/virtual-clock.ts';

storeContract('memory', async () => {
  const disk = createStoreDisk();
  let store = createMemoryStore({ disk });
  return {
    store,
    another: async () => createMemoryStore({ disk }),
    reopen: async () => {
      await store.close();
      store = createMemoryStore({ disk });
      return store;
    },
    backUp: async () => {
      const copy = structuredClone(disk);
      return async () => void Object.assign(disk, structuredClone(copy));
    },
    dispose: () => store.close(),
  };
});

describe('ST18: the store in memory does what a simulation wants', () => {
  const document = nameOf('a');

  test('every effect is announced before and after, and each deleted thing is one', async () => {
    const steps: string[] = [];
    const store = createMemoryStore({ step: async (step, moment) => void steps.push(`${moment} ${step}`) });
    await store.putSegment(segmentOf(document, 0, 1));
    await store.putSegment(segmentOf(document, 2, 3));
    steps.length = 0;
    await deleteCovered(store, document, 9);
    const each = ['condemn', 'deleteCondemned'].flatMap((name) => {
      const one = [`before ${name}`, `after ${name}`];
      return [`before ${name}`, ...one, ...one];
    });
    expect(steps).toEqual(each);
  });

  test('it can be away, for reading and for writing, and come back as it was', async () => {
    let away = false;
    const store = createMemoryStore({
      step: () => {
        if (away) throw new StoreUnavailable('away');
      },
    });
    await store.putSegment(segmentOf(document, 0, 1));
    away = true;
    await expect(store.putSegment(segmentOf(document, 2, 3))).rejects.toBeInstanceOf(StoreUnavailable);
    await expect(store.readSegments(document, 0)).rejects.toBeInstanceOf(StoreUnavailable);
    away = false;
    expect(await store.readSegments(document, 0)).toEqual([segmentOf(document, 0, 1)]);
  });

  test('ST56: a checkpoint that is put back to where an adapter left it, while that one moves it on, goes on under another course', async () => {
    const disk = createStoreDisk();
    let atStep = (_step: string): void => {};
    const store = createMemoryStore({ disk, step: (step, moment) => (moment === 'before' ? atStep(step) : undefined) });
    await store.moveCheckpoint(0, 0, 5);
    const left = structuredClone(disk);
    const { course } = await store.readPosition(0);
    let steps = 0;
    atStep = (step) => {
      if (step === 'moveCheckpoint' && ++steps === 3) Object.assign(disk, structuredClone(left)); // after the mark and the look
    };
    expect(await store.moveCheckpoint(0, 5, 9)).toBe(9);
    expect(steps).toBe(6);
    expect((await store.readPosition(0)).course).not.toBe(course);
  });

  test('what is crashed changes nothing and settles nothing', async () => {
    const disk = createStoreDisk();
    const gate = Promise.withResolvers<void>();
    const store = createMemoryStore({ disk, step: () => gate.promise });
    let settled = false;
    void store.moveCheckpoint(0, 0, 5).finally(() => (settled = true));
    await settle();
    store.crash();
    gate.resolve();
    await settle();
    expect(settled).toBe(false);
    expect(await createMemoryStore({ disk }).readCheckpoint(0)).toBe(0);
  });
});
