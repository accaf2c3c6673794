/**
 * Dead letters, looked at and put back.
 *
 * Putting one back is appending it to the journal again: its document gets it as if it came late, which Yjs does not mind, and doing it twice changes
 * nothing. It is for a letter that could not be read then and can be now, by a later version or after a bug was mended. One that this
 * program can't read either is not put back: it would come back as a letter, and close the document for everybody who has it open on the way.
 */

import { mergeUpdates } from '#shared/document/merge.ts';
import type { DeadLetter, DeadLetterTopic } from '#shared/journal/dead-letter.ts';
import type { Journal, JournalRecord, Offset, Partition } from '#shared/journal/journal.ts';
import { decodeRecord } from '#shared/journal/record.ts';
import { reasonOf } from '#shared/runtime/reason.ts';
import { type Decoded, describeRefusal } from '#shared/runtime/stored-kind.ts';

/** Which letters are meant: those to which all of it applies. */
export type Selection = {
  readonly partition?: Partition;
  readonly offset?: Offset;
  readonly document?: string;
};

const isSelected = (letter: DeadLetter, { partition, offset, document }: Selection): boolean =>
  (partition === undefined || letter.partition === partition) &&
  (offset === undefined || letter.offset === offset) &&
  (document === undefined || letter.document === document);

const placeOf = ({ partition, offset }: DeadLetter): string => `${partition}:${offset}`;

/** Calls `onLetter` with each selected letter, once, though it may be there twice; and with what is no letter, where everything is selected. */
export async function readLetters(
  topic: DeadLetterTopic,
  selection: Selection,
  onLetter: (read: Decoded<DeadLetter>) => void,
): Promise<void> {
  const seen = new Set<string>();
  const isEverything = Object.values(selection).every((value) => value === undefined);
  await topic.read((read) => {
    if (read.kind !== 'decoded') {
      if (isEverything) onLetter(read);
      return;
    }
    const place = placeOf(read.value);
    if (seen.has(place) || !isSelected(read.value, selection)) return;
    seen.add(place);
    onLetter(read);
  });
}

export type Replayed = {
  readonly letter: DeadLetter;
  readonly outcome:
    | { readonly kind: 'appended'; readonly partition: Partition; readonly offset: Offset }
    | { readonly kind: 'refused'; readonly reason: string };
};

export type ReplayParts = {
  readonly topic: DeadLetterTopic;
  readonly journal: Pick<Journal, 'append' | 'partitionOf'>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
};

/** Appends the selected letters to the journal again, one after the other. Rejects with `JournalUnavailable`; then some may have been appended. */
export async function replayLetters({ topic, journal, now }: ReplayParts, selection: Selection): Promise<readonly Replayed[]> {
  const letters: DeadLetter[] = [];
  await readLetters(topic, selection, (read) => {
    if (read.kind === 'decoded') letters.push(read.value);
  });
  const replayed: Replayed[] = [];
  for (const letter of letters) {
    const read = recordIn(letter, now());
    replayed.push({ letter, outcome: 'record' in read ? await append(journal, read.record) : read });
  }
  return replayed;
}

async function append(journal: ReplayParts['journal'], record: JournalRecord): Promise<Replayed['outcome']> {
  const [appended] = await journal.append([record]);
  if (appended?.kind === 'appended')
    return { kind: 'appended', partition: journal.partitionOf(record.document), offset: appended.offset };
  return { kind: 'refused', reason: `it has ${record.update.byteLength} bytes: the journal takes no record of that size` };
}

type Refused = Extract<Replayed['outcome'], { readonly kind: 'refused' }>;

/** The record that a letter is about, if this program can read it. */
function recordIn(letter: DeadLetter, now: number): { readonly record: JournalRecord } | Refused {
  const record = letter.content === 'record' ? decodeRecord(letter.bytes) : recordOfUpdate(letter, now);
  if (record.kind !== 'decoded') return { kind: 'refused', reason: describeRefusal(record, 'the record') };
  try {
    mergeUpdates([record.value.update]);
  } catch (error) {
    return { kind: 'refused', reason: reasonOf(error) };
  }
  return { record: record.value };
}

function recordOfUpdate({ document, bytes }: DeadLetter, time: number): Decoded<JournalRecord> {
  if (document === undefined) return { kind: 'unreadable', reason: 'the letter does not say which document it is of' };
  return { kind: 'decoded', value: { kind: 'update', document, update: bytes, origin: 'dead-letter', author: '', time } };
}
