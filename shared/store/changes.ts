/**
 * Where to look for edits, at once.
 *
 * Every edit that somebody makes in a mirror is found by a sweep over all of them, however late. A person who waits for it wants it within a second, so a database that can tell what was written is
 * listened to. It tells names and no more: a full document in each event can be larger than an event may be, and kills the stream. And it is not trusted: it may have forgotten where we were, break off, or
 * say nothing at all for a while. Whenever that happens the follower begins anew, from now on, and whoever listens looks everywhere.
 *
 *     follow(token) ─► changes [a, b] token 1 ─► changes [] token 2 ─► everywhere token 3 ─► lost: follow anew, sweep
 *
 * A token stands for everything up to a place in the stream. It is stored once everything up to there has been looked at, so that the next process goes on from there.
 */

import type { DocumentName } from '#shared/document/name.ts';

/** A place in the stream: text that means something to the adapter alone. */
export type ChangeToken = string;

export type ChangeStep =
  /** Mirrors that were written, or none; what comes after has come after `token`. */
  | { readonly kind: 'changes'; readonly documents: readonly DocumentName[]; readonly token: ChangeToken | undefined }
  /** Something was written, and it can't be told where. */
  | { readonly kind: 'everywhere'; readonly token: ChangeToken | undefined }
  /** The stream is over, and what was written since the last step is not known: follow anew, without a token, and look everywhere. `reason` is for people. */
  | { readonly kind: 'lost'; readonly reason: string };

export type Follower = {
  /** Resolves with what comes next, after a while also where nothing does. Rejects with `StoreUnavailable`; then, and after `lost`, the follower is over. */
  readonly next: () => Promise<ChangeStep>;
  /** A `next` that waits rejects with `StoreUnavailable`. */
  readonly close: () => Promise<void>;
};

export type Followed =
  | { readonly kind: 'following'; readonly follower: Follower }
  /** As in a step. */
  | { readonly kind: 'lost'; readonly reason: string }
  /** This store can't tell what was written, and never will. `reason` is for people. */
  | { readonly kind: 'unsupported'; readonly reason: string };

export type Changes = {
  /**
   * Everything that is written to a mirror after it has resolved comes in some step; with a token, everything after that. Rejects with `StoreUnavailable`.
   */
  readonly follow: (token: ChangeToken | undefined) => Promise<Followed>;

  /** The token that was stored last; undefined where none was, or what is there is none. */
  readonly readToken: () => Promise<ChangeToken | undefined>;

  /** Resolves when durable. One that is stored late by somebody who has been replaced costs looking twice, and nothing else. */
  readonly storeToken: (token: ChangeToken) => Promise<void>;
};
