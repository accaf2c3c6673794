/** How long it has not been known which of two states stands. */

import type { DocumentName } from '#shared/document/name.ts';
import type { Clock } from '#shared/runtime/clock.ts';
import type { Rev } from '#shared/store/mirrors.ts';

type Doubt = { readonly rev: Rev; readonly sinceMs: number };

export type Doubts = {
  /** Whether the doubt about the state with this rev, of which this may be the first word, has lasted long enough to decide without an answer. */
  readonly isOver: (document: DocumentName, rev: Rev) => boolean;
  readonly settle: (document: DocumentName) => void;
};

/** Remembers at most `documentsMax` doubts; a forgotten one begins again. */
export function createDoubts(clock: Clock, doubtMs: number, documentsMax = 10_000): Doubts {
  const doubts = new Map<DocumentName, Doubt>();
  return {
    isOver: (document, rev) => {
      const known = doubts.get(document);
      if (known?.rev === rev) return clock.monotonic() - known.sinceMs >= doubtMs;
      doubts.delete(document);
      doubts.set(document, { rev, sinceMs: clock.monotonic() });
      for (const oldest of doubts.keys()) {
        if (doubts.size <= documentsMax) break;
        doubts.delete(oldest);
      }
      return false;
    },
    settle: (document) => void doubts.delete(document),
  };
}
