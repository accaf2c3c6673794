/**
 * Changes in memory: for simulations and tests, and for a process that has everything in it.
 *
 * A log of names that outlives its followers. What a database does to a stream can be done to it: forgotten places, a stream that ends, a store that is away.
 */

import type { DocumentName } from '#shared/document/name.ts';
import type { ChangeStep, Changes, ChangeToken, Followed, Follower } from './changes.ts';
import { StoreUnavailable } from './store.ts';

export type MemoryChanges = Changes & {
  /** Says that a mirror was written; undefined: that one was, and not which. */
  readonly announce: (document: DocumentName | undefined) => void;
  /** Forgets everything that was announced: tokens of before are gone. */
  readonly forget: () => void;
  /** Ends every stream, as dropping the collection does. */
  readonly invalidate: (reason: string) => void;
  /** Whether calls, and waiting ones too, reject. */
  readonly setAway: (isAway: boolean) => void;
  readonly storedToken: () => ChangeToken | undefined;
};

type Waiting = { readonly resolve: (step: ChangeStep) => void; readonly reject: (error: Error) => void };

/** What was announced from `first` on; undefined: some mirror. */
type Log = { first: number; readonly entries: (DocumentName | undefined)[] };

const endOf = ({ first, entries }: Log): number => first + entries.length;

/** Names in one step, at most. */
const stepNamesMax = 100;

class MemoryFollower implements Follower {
  readonly #log: Log;
  readonly #present: () => void;
  #at: number;
  #lost: string | undefined;
  #isOver = false;
  #waiting: Waiting | undefined;

  constructor(log: Log, at: number, present: () => void) {
    this.#log = log;
    this.#at = at;
    this.#present = present;
  }

  async next(): Promise<ChangeStep> {
    this.#present();
    if (this.#isOver) throw new StoreUnavailable('the follower is over');
    return this.#step() ?? new Promise((resolve, reject) => (this.#waiting = { resolve, reject }));
  }

  async close(): Promise<void> {
    this.end(new StoreUnavailable('the follower was closed'));
  }

  /** Answers whoever waits, if there is something to say. */
  wake(): void {
    const waiting = this.#waiting;
    const step = waiting === undefined ? undefined : this.#step();
    if (waiting === undefined || step === undefined) return;
    this.#waiting = undefined;
    waiting.resolve(step);
  }

  lose(reason: string): void {
    this.#lost = reason;
    this.wake();
  }

  end(error: Error): void {
    this.#isOver = true;
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }

  #step(): ChangeStep | undefined {
    if (this.#lost !== undefined) {
      this.#isOver = true;
      return { kind: 'lost', reason: this.#lost };
    }
    const from = this.#at - this.#log.first;
    const entries = this.#log.entries.slice(from, from + stepNamesMax);
    if (entries.length === 0) return undefined;
    this.#at += entries.length;
    const documents = entries.filter((entry) => entry !== undefined);
    const token = String(this.#at);
    return documents.length < entries.length ? { kind: 'everywhere', token } : { kind: 'changes', documents, token };
  }
}

/** `unsupported`: a reason for following nothing. */
export function createMemoryChanges({ unsupported }: { readonly unsupported?: string } = {}): MemoryChanges {
  const log: Log = { first: 0, entries: [] };
  const followers = new Set<MemoryFollower>();
  let isAway = false;
  let stored: ChangeToken | undefined;

  const present = (): void => {
    if (isAway) throw new StoreUnavailable('changes in memory are away');
  };
  const follow = (token: ChangeToken | undefined): Followed => {
    if (unsupported !== undefined) return { kind: 'unsupported', reason: unsupported };
    const at = token === undefined ? endOf(log) : Number(token);
    if (!Number.isSafeInteger(at) || at < log.first || at > endOf(log))
      return { kind: 'lost', reason: `nothing is known of what came after ${token}` };
    const follower = new MemoryFollower(log, at, present);
    followers.add(follower);
    return { kind: 'following', follower };
  };

  return {
    follow: async (token) => {
      present();
      return follow(token);
    },
    readToken: async () => {
      present();
      return stored;
    },
    storeToken: async (token) => {
      present();
      stored = token;
    },
    announce: (document) => {
      log.entries.push(document);
      for (const follower of followers) follower.wake();
    },
    forget: () => {
      log.first = endOf(log) + 1;
      log.entries.length = 0;
    },
    invalidate: (reason) => {
      for (const follower of followers) follower.lose(reason);
      followers.clear();
    },
    setAway: (nowAway) => {
      isAway = nowAway;
      if (isAway) for (const follower of followers) follower.end(new StoreUnavailable('changes in memory are away'));
    },
    storedToken: () => stored,
  };
}
