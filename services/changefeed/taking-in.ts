/** What one look at a mirror does: everything that there is to do, a bounded number of steps at a time. */

import type { DocumentName } from '#shared/document/name.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';

import type { TakeIn } from './looks.ts';
import type { Restore } from './missing-mirrors.ts';
import type { Taken } from './translate.ts';

/** Called as things happen; must not throw. */
export type TakingMetrics = {
  /** An edit is in the journal. */
  readonly taken: () => void;
  /** An edit was put aside. */
  readonly refused: () => void;
  /** An edit waits for something that somebody else has to do. */
  readonly waited: () => void;
};

/** An edit takes a few; a program that edits without a pause must not keep a look from ending. */
const stepsMax = 32;

/** `takeOne` does one thing towards a document's having what is in its mirror (`takeEdit`). `hasMirror`: whether a document's mirror is looked at at all. */
export function createTakeIn(
  takeOne: (document: DocumentName) => Promise<Taken>,
  parts: {
    readonly hasMirror: (document: DocumentName) => boolean;
    readonly restore: Restore;
    readonly logger: Logger;
    readonly metrics: TakingMetrics;
  },
): TakeIn {
  const { hasMirror, restore, logger, metrics } = parts;
  return async (document) => {
    if (!hasMirror(document)) return 'done';
    for (let step = 0; step < stepsMax; step++) {
      const taken = await takeOne(document);
      switch (taken.kind) {
        case 'clean':
          return 'done';
        case 'missing':
          return restore(document, taken.rev);
        case 'again':
          break;
        case 'taken':
          metrics.taken();
          break;
        case 'refused':
          metrics.refused();
          logger.warn({ document, reason: taken.reason }, 'an edit of a mirror could not be taken in, and was put aside');
          break;
        case 'wait':
          metrics.waited();
          return 'again';
      }
    }
    return 'more';
  };
}
