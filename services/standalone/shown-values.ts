/**
 * What mirrors stand for, remembered for a while: whoever asks again and again for a document that does not change, or changes it again and again, has it read once for each change.
 */

import type { Representation } from '#gateway/json-documents.ts';
import type { Rev, StoredValue } from '#shared/store/mirrors.ts';

/** A document's value in the words in which it would be written now. */
export type ShownNow = {
  readonly value: StoredValue;
  readonly representation: Representation;
  readonly unrepresented: readonly string[];
};

export type ShownValues = {
  /** Of the mirror that has this rev, and is clean. A rev is never used twice. */
  readonly of: (rev: Rev) => ShownNow | undefined;
  readonly keep: (rev: Rev, shown: ShownNow) => void;
};

/** About what one takes beside its bytes. */
const entryBytes = 1024;

const bytesOf = ({ value, representation }: ShownNow): number =>
  entryBytes + value.bytes.byteLength + representation.text.byteLength;

/** Remembers `bytesMax` of them at most, those that were asked for last. */
export function createShownValues(bytesMax: number): ShownValues {
  const kept = new Map<Rev, ShownNow>();
  let bytes = 0;
  const forget = (rev: Rev, shown: ShownNow): void => {
    kept.delete(rev);
    bytes -= bytesOf(shown);
  };
  return {
    of: (rev) => {
      const shown = kept.get(rev);
      if (shown === undefined) return undefined;
      kept.delete(rev);
      kept.set(rev, shown);
      return shown;
    },
    keep: (rev, shown) => {
      const before = kept.get(rev);
      if (before !== undefined) forget(rev, before);
      kept.set(rev, shown);
      bytes += bytesOf(shown);
      for (const [oldest, old] of kept) {
        if (bytes <= bytesMax) break;
        forget(oldest, old);
      }
    },
  };
}
