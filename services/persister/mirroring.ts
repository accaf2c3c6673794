/** Mirrors, for a persister that keeps them: what it takes, and what may be set. */

import type { DocumentName } from '#shared/document/name.ts';
import { amount, duration, outOfOrder } from '#shared/runtime/config.ts';

import type { MirrorQueueContext, MirrorQueueLimits } from './mirror-queue.ts';

export const mirrorQueueSettings = {
  mirrorSettleMs: duration(200, 'how long a document has to be left alone before its mirror is written', 0),
  mirrorIntervalMsMin: duration(1_000, 'the shortest time between two writes of one mirror, while people type'),
  mirrorBytesPerMs: amount('bytes', 200, 'of the mirror that add a millisecond to that time: large ones are written less often'),
  mirrorIntervalMsMax: duration(30_000, 'the longest such time'),
  mirrorWritesMax: amount('mirrors', 8, 'that are written at the same time at most; one while the store is behind'),
  mirrorSlowMs: duration(
    250,
    'how long writing a mirror may take; after one that takes longer half as many are written at the same time, after each other one more',
  ),
  mirrorRestPercent: amount(
    'percent',
    300,
    'of the time that the mirrors took that were written together, for which none is begun then: at 300 they take a quarter of the time, and each is written less often if there are many',
    0,
  ),
  mirrorLagMsMax: duration(
    500,
    'how much longer than `INKSTREAM_FLUSH_INTERVAL_MS` what was typed may wait for the store; past it the store is behind, and mirrors are written one at a time',
  ),
  mirrorRetryMsMin: duration(
    100,
    'the first wait before a mirror is tried again that could not be written, since an edit in it is to be taken in first or the database was away; it doubles, with jitter',
  ),
  mirrorRetryMsMax: duration(2_000, 'the longest such wait'),
  mirrorSweepMs: duration(600_000, 'how often all documents are looked at, in case one has no mirror, or one that was forgotten'),
  mirrorDocumentsMax: amount('documents', 10_000, 'that wait for their mirrors; of more of them the next sweep sees to it'),
};

/** What contradicts what, a line each. */
export const mirrorQueueProblems = (limits: MirrorQueueLimits): readonly string[] =>
  outOfOrder(limits, [
    ['mirrorIntervalMsMin', 'mirrorIntervalMsMax'],
    ['mirrorRetryMsMin', 'mirrorRetryMsMax'],
  ]);

export type Mirroring = Pick<MirrorQueueContext, 'mirrors' | 'work' | 'roots' | 'makeRev' | 'mirrorLimits'> & {
  readonly queueLimits: MirrorQueueLimits & { readonly mirrorLagMsMax: number };
  /** Whether a document is to have a mirror. */
  readonly hasMirror: (document: DocumentName) => boolean;
  /** A mirror was written. Must not throw. */
  readonly written: (mirror: { readonly valueBytes: number; readonly ms: number }) => void;
  /** Ends the work on what is under way. */
  readonly end: () => Promise<void>;
};
