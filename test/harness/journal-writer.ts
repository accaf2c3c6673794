/**
 * Someone who appends for as long as it is let, as a gateway does: numbered records, and what was not acknowledged again. What was
 * acknowledged is kept, to be looked for in the journal afterwards.
 */

import {
  type Appended,
  type Journal,
  type JournalRecord,
  JournalUnavailable,
  type Offset,
  type ReadRecord,
} from '#shared/journal/journal.ts';
import { recordOf } from '#test/contract/journal.contract.ts';

export type Acknowledged = {
  readonly document: string;
  readonly number: number;
  readonly offset: Offset;
};

export type WriterOptions = {
  /** Each of them gets every number; one, if not given. */
  readonly documents?: readonly string[];
  /** Numbers in one append. */
  readonly atOnce?: number;
  /** Waited for after each append. */
  readonly pace?: () => Promise<void>;
  readonly onAcknowledged?: () => void;
};

/** Appends records with rising numbers until it is stopped, several at once and in flight one after the other; repeats what failed. */
export function startWriter(
  journal: Journal,
  { documents = ['document'], atOnce = 3, pace = async () => {}, onAcknowledged = () => {} }: WriterOptions = {},
) {
  const acknowledged: Acknowledged[] = [];
  let failures = 0;
  let stopped = false;
  let check = (): void => {};
  /** Undefined where it has to be done again. */
  const attempt = async (records: readonly JournalRecord[]): Promise<readonly Appended[] | undefined> => {
    try {
      return await journal.append(records);
    } catch (error) {
      if (!(error instanceof JournalUnavailable)) throw error;
      failures++;
      return undefined;
    }
  };
  const run = async (): Promise<void> => {
    for (let next = 0; !stopped;) {
      const numbered = Array.from({ length: atOnce }, (_, index) => next + index).flatMap((number) =>
        documents.map((document) => ({ document, number })),
      );
      const outcomes = await attempt(numbered.map(({ document, number }) => recordOf(document, number)));
      if (outcomes !== undefined) {
        for (const [index, one] of numbered.entries()) {
          const outcome = outcomes[index];
          if (outcome?.kind !== 'appended') throw new Error('refused');
          acknowledged.push({ ...one, offset: outcome.offset });
        }
        next += atOnce;
        onAcknowledged();
      }
      check();
      await pace();
    }
  };
  const ended = run();
  return {
    acknowledged,
    failures: () => failures,
    /** Resolves when so many more were acknowledged. */
    goesOn: (more: number): Promise<void> => {
      const wanted = acknowledged.length + more;
      return new Promise((resolve) => {
        check = () => {
          if (acknowledged.length >= wanted) resolve();
        };
        check();
      });
    },
    stop: async (): Promise<void> => {
      stopped = true;
      await ended;
    },
  };
}

/** The number in a record of a writer's; undefined where it is none. */
export const numberIn = (read: ReadRecord): number | undefined =>
  'record' in read ? new DataView(read.record.update.buffer, read.record.update.byteOffset).getUint32(0) : undefined;
