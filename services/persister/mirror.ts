/**
 * Keeping mirrors up.
 *
 * A mirror is worth having if it shows what was typed a moment ago, and it costs by the size of the document each time. So it is written when typing has paused for a moment or gone on for a
 * while, and the larger the less often (`nextMirrorMs`). It is made from a snapshot, which stays stored for as long as the mirror needs it; so the document is compacted for it, due or
 * not, and what comes of that is shown as it is, and not read back. What else it takes is in `shared/mirror/rewrite.ts`.
 */

import type { DocumentName } from '#shared/document/name.ts';
import type { Offset } from '#shared/journal/journal.ts';
import { rewriteMirror, type RewriteContext, type Rewritten } from '#shared/mirror/rewrite.ts';
import type { Head } from '#shared/store/store.ts';

import { compactDocument, type Compacted, type CompactionContext } from './compaction.ts';
import type { Compactor } from './compaction-thread.ts';
import type { CompactionAnswer } from './compaction-work.ts';

export type MirrorContext = CompactionContext &
  Omit<RewriteContext, 'headFor' | 'inHand' | 'limits'> & { readonly mirrorLimits: RewriteContext['limits'] };

export type Refreshed =
  | Rewritten
  /** The document could not be compacted: what became of that. */
  | { readonly kind: 'not-compacted'; readonly outcome: Extract<Compacted, { readonly kind: 'threw' | 'gave-up' | 'stopping' }> };

/** Brings a mirror up to what is stored of its document, if it may be written. Rejects as `compactDocument` does; whatever was done until then can be done again. */
export async function refreshMirror(document: DocumentName, context: MirrorContext): Promise<Refreshed> {
  let failed: Extract<Refreshed, { readonly kind: 'not-compacted' }> | undefined;
  let made: Extract<CompactionAnswer, { readonly kind: 'compacted' }> | undefined;
  const compactor: Compactor = {
    ...context.compactor,
    compact: async (input) => {
      const answer = await context.compactor.compact(input);
      if (answer.kind === 'compacted') made = answer;
      return answer;
    },
  };
  const headFor = async (_document: DocumentName, reach: Offset): Promise<Head | undefined> => {
    const outcome = await compactDocument(document, { ...context, compactor }, reach);
    if (!('head' in outcome)) failed = { kind: 'not-compacted', outcome };
    return 'head' in outcome ? outcome.head : undefined;
  };
  const inHand = ({ sha256 }: Head): Uint8Array | undefined => (made?.sha256 === sha256 ? made.update : undefined);
  const rewritten = await rewriteMirror(document, { ...context, limits: context.mirrorLimits, headFor, inHand });
  return failed ?? rewritten;
}

export type MirrorIntervals = {
  /** How long a document has to be left alone before its mirror is written, in milliseconds. */
  readonly mirrorSettleMs: number;
  /** The shortest time between two writes of one mirror, in milliseconds; with the bytes of its value that add a millisecond, and the longest. */
  readonly mirrorIntervalMsMin: number;
  readonly mirrorBytesPerMs: number;
  readonly mirrorIntervalMsMax: number;
};

/** What is known of a mirror; times by one monotonic clock. */
export type MirrorAge = {
  /** The first and the latest change since it was written last. */
  readonly firstChangeMs: number;
  readonly lastChangeMs: number;
  /** Undefined where this process has not written it yet. */
  readonly writtenMs: number | undefined;
  readonly valueBytes: number;
};

/** When a mirror is to be written next, by the same clock. */
export function nextMirrorMs({ firstChangeMs, lastChangeMs, writtenMs, valueBytes }: MirrorAge, limits: MirrorIntervals): number {
  const intervalMs = Math.min(
    limits.mirrorIntervalMsMax,
    limits.mirrorIntervalMsMin + Math.floor(valueBytes / limits.mirrorBytesPerMs),
  );
  const earliestMs = (writtenMs ?? -Infinity) + intervalMs;
  const settledMs = lastChangeMs + limits.mirrorSettleMs;
  return Math.max(earliestMs, Math.min(settledMs, firstChangeMs + intervalMs));
}
