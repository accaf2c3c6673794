/**
 * A store that announces what is done to it.
 *
 * The store in memory calls a `step` before and after each effect, and whole simulations hang on that: they kill the persister there, fail it, or let it take its
 * time. This does the same around any other store, so that they can be told again on a real database. It sees the calls of the port. What an adapter does within
 * one call is several effects, and to stop it between those takes the wire: see what `cutAfter` of tcp-proxy.ts does.
 *
 * Time is the other thing that a real database has and a virtual clock has not. A clock that is turned while a query is on its way makes every query last for minutes. So
 * there is `idle`: whoever turns the clock waits first until nothing is on its way.
 */

import type { Moment } from '#shared/journal/memory.ts';
import type { StoreStep } from '#shared/store/memory.ts';
import type { Store } from '#shared/store/store.ts';

export type SteppingStore = Store & {
  /** What kill -9 does: from now on this store begins nothing and settles no promise. What is on its way may still happen. */
  readonly crash: () => void;
  /** Resolves when nothing is on its way to the database; false where nothing was. Steps that take their time do not count. */
  readonly idle: () => Promise<boolean>;
};

/** Called, and waited for, before and after each write, and before each read. What it throws is what the call rejects with. */
export type StoreStepped = (step: StoreStep, moment: Moment) => void | Promise<void>;

const never = new Promise<never>(() => {});

/** The same store, step by step. Closing it closes `store`. */
export function steppingStore(store: Store, step: StoreStepped = () => {}): SteppingStore {
  const onItsWay = new Set<Promise<unknown>>();
  let crashed = false;

  const pass = async (name: StoreStep, moment: Moment): Promise<void> => {
    if (crashed) await never;
    await step(name, moment);
    if (crashed) await never;
  };
  const call = async <T>(work: () => Promise<T>): Promise<T> => {
    const working = work();
    onItsWay.add(working);
    try {
      return await working;
    } finally {
      onItsWay.delete(working);
    }
  };
  const read = async <T>(name: StoreStep, work: () => Promise<T>): Promise<T> => {
    await pass(name, 'before');
    return untilCrashed(call(work));
  };
  const write = async <T>(name: StoreStep, work: () => Promise<T>): Promise<T> => {
    await pass(name, 'before');
    const result = await untilCrashed(call(work));
    await pass(name, 'after');
    return result;
  };
  const untilCrashed = async <T>(outcome: Promise<T>): Promise<T> => {
    await outcome.catch(() => {});
    return crashed ? never : outcome;
  };

  return {
    segmentBytesMax: store.segmentBytesMax,
    bindJournal: (identity) => write('bindJournal', () => store.bindJournal(identity)),
    readCheckpoint: (partition) => read('readCheckpoint', () => store.readCheckpoint(partition)),
    readPosition: (partition) => read('readPosition', () => store.readPosition(partition)),
    moveCheckpoint: (...move) => write('moveCheckpoint', () => store.moveCheckpoint(...move)),
    putSegment: (segment) => write('putSegment', () => store.putSegment(segment)),
    readSegments: (document, from) => read('readSegments', () => store.readSegments(document, from)),
    listSegments: (document, from) => read('listSegments', () => store.listSegments(document, from)),
    putSnapshotPart: (snapshot, part, bytes) => write('putSnapshotPart', () => store.putSnapshotPart(snapshot, part, bytes)),
    readSnapshotPart: (snapshot, part) => read('readSnapshotPart', () => store.readSnapshotPart(snapshot, part)),
    listSnapshots: (document) => read('listSnapshots', () => store.listSnapshots(document)),
    condemn: (...what) => write('condemn', () => store.condemn(...what)),
    deleteCondemned: (covered, condemned) => write('deleteCondemned', () => store.deleteCondemned(covered, condemned)),
    readHead: (document) => read('readHead', () => store.readHead(document)),
    listDocuments: (after, limit) => read('listDocuments', () => store.listDocuments(after, limit)),
    moveHead: (document, head) => write('moveHead', () => store.moveHead(document, head)),
    close: () => store.close(),
    crash: () => {
      crashed = true;
    },
    idle: async () => {
      const wasBusy = onItsWay.size > 0;
      while (onItsWay.size > 0) await Promise.allSettled(onItsWay);
      return wasBusy;
    },
  };
}
