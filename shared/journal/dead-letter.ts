/**
 * Records that could not be kept, and where they go.
 *
 * A record that nobody can read must neither stall its partition nor vanish: it may be somebody's text in a form that a bug wrote or a
 * later version reads. So it is set aside whole, with where it was and what was wrong, before the checkpoint passes it, and people look
 * at it, and put it back when it can be read (`services/persister/dead-letters.ts`). A letter is written at least once, so it may be there twice:
 * partition and offset say which record it is.
 *
 *     dead letter   F6 30 01 <varUint partition> <varUint offset> <varUint time> <varUint content> <varString document> <varString reason> <varBytes bytes>
 *
 * `content` is 0 for bytes of a record, 1 for those of an update. The document is empty where it is not known: no name is.
 */

import * as decoding from 'lib0/decoding';
import * as encoding from 'lib0/encoding';
import { type DocumentName, parseDocumentName } from '#shared/document/name.ts';
import { concatenate } from '#shared/runtime/bytes.ts';
import { decodeStored, encodeStored, storedKinds, type Decoded } from '#shared/runtime/stored-kind.ts';
import type { Offset, Partition } from './journal.ts';

export type DeadLetter = {
  /** Where the record is, or was. */
  readonly partition: Partition;
  readonly offset: Offset;
  /** When it was set aside: milliseconds since 1970. */
  readonly time: number;
  /** Known where the record itself could be read. */
  readonly document: DocumentName | undefined;
  readonly reason: string;
  /** What `bytes` are: something in a record's place that is none, or the update of a record that can't be merged into its document. */
  readonly content: 'record' | 'update';
  readonly bytes: Uint8Array;
};

/** Where dead letters are kept. Adapters: Kafka (`inkstream.dead-letter`); tests have one in memory. */
export type DeadLetterTopic = {
  /** Resolves when the letter is durable. Rejects with `JournalUnavailable`: append it again later. */
  readonly append: (letter: DeadLetter) => Promise<void>;
  /**
   * Hands over what was there when it was called, the oldest of each partition first, and resolves. What is no letter of a version that is
   * known comes as the reason why. Rejects with `JournalUnavailable`.
   */
  readonly read: (onLetter: (read: Decoded<DeadLetter>) => void) => Promise<void>;
};

const contents = ['record', 'update'] as const;

export function encodeDeadLetter(letter: DeadLetter): Uint8Array {
  const head = encodeStored(storedKinds.deadLetter, (encoder) => {
    encoding.writeVarUint(encoder, letter.partition);
    encoding.writeVarUint(encoder, letter.offset);
    encoding.writeVarUint(encoder, letter.time);
    encoding.writeVarUint(encoder, contents.indexOf(letter.content));
    encoding.writeVarString(encoder, letter.document ?? '');
    encoding.writeVarString(encoder, letter.reason);
    encoding.writeVarUint(encoder, letter.bytes.byteLength);
  });
  return concatenate([head, letter.bytes]);
}

/** The letter in `bytes`, of which it keeps none. Never throws. */
export function decodeDeadLetter(bytes: Uint8Array): Decoded<DeadLetter> {
  return decodeStored(bytes, storedKinds.deadLetter, (decoder) => ({
    partition: decoding.readVarUint(decoder),
    offset: decoding.readVarUint(decoder),
    time: decoding.readVarUint(decoder),
    content: readContent(decoding.readVarUint(decoder)),
    document: readDocument(decoding.readVarString(decoder)),
    reason: decoding.readVarString(decoder),
    bytes: decoding.readVarUint8Array(decoder).slice(),
  }));
}

function readContent(code: number): DeadLetter['content'] {
  const content = contents[code];
  if (content === undefined) throw new Error(`no content has the number ${code}`);
  return content;
}

function readDocument(text: string): DocumentName | undefined {
  if (text === '') return undefined;
  const parsed = parseDocumentName(text);
  if ('refusal' in parsed) throw new Error(parsed.refusal);
  return parsed.name;
}
