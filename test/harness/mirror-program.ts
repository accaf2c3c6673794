/**
 * A program that edits documents in MongoDB, as somebody would write one who knows nothing of Inkstream but where the documents are: with the driver, in every way in which one can.
 *
 * Whoever writes back what he has read, changed, has to make sure that it still is what he has read (that is no matter of ours: with any program beside him he would take back what that one wrote). So each such
 * edit is guarded, and made anew where it missed. `$set` of a field needs none of that.
 *
 * The database goes away and comes back, and a write that got no answer may have been made. So each edit can be tried again: it changes nothing where it has been made.
 */

import { type Collection, MongoClient } from 'mongodb';
import { systemClock } from '#shared/runtime/clock.ts';
import { pause } from '#shared/runtime/waiting.ts';
import { failureFrom, isDuplicate } from '#shared/store/mongo/failures.ts';
import { StoreUnavailable } from '#shared/store/store.ts';

/** As far as a program knows it. `rev` changes with each write of Inkstream's own. */
export type MirrorDocument = {
  readonly _id: string;
  readonly value: {
    readonly text?: string;
    readonly fields?: Readonly<Record<string, unknown>>;
    readonly list?: readonly unknown[];
  };
  readonly inkstream?: { readonly rev: string; readonly refused?: readonly { readonly reason: string }[] };
};

/** What becomes of a text, which is the text as it is where that has been done; undefined: nothing can be done with it yet. */
export type ChangeText = (text: string) => string | undefined;

export type MirrorProgram = {
  readonly mirrors: Collection<MirrorDocument>;
  readonly read: (document: string) => Promise<MirrorDocument | undefined>;
  readonly setField: (document: string, field: string, value: unknown) => Promise<void>;
  readonly push: (document: string, entry: unknown) => Promise<void>;
  readonly setText: (document: string, change: ChangeText) => Promise<void>;
  /** The whole document, with what there is besides `value` in it, or without. */
  readonly replace: (document: string, change: ChangeText, bookkeeping: 'kept' | 'left out') => Promise<void>;
  readonly deleteAndInsert: (document: string, change: ChangeText) => Promise<void>;
  /** There must be none. Resolves with what the copy has. */
  readonly copy: (document: string, to: string) => Promise<MirrorDocument['value']>;
  readonly close: () => Promise<void>;
};

/** Before it asks again where the database is away, or has nothing for it yet, in ms. */
const againMs = 20;

const isAway = (error: unknown): boolean =>
  failureFrom(error, { name: 'the database', database: '', redact: (text) => text }) instanceof StoreUnavailable;

/** Tries until it is done. `attempt` resolves with undefined where it has to be tried again. */
async function untilDone<T>(attempt: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const done = await attempt().catch((error: unknown) => {
      if (!isAway(error)) throw error;
      return undefined;
    });
    if (done !== undefined) return done;
    await pause(systemClock, againMs);
  }
}

/** Connects to a database. */
export async function openMirrorProgram(url: string): Promise<MirrorProgram> {
  const client = await MongoClient.connect(url);
  const mirrors = client.db().collection<MirrorDocument>('mirrors');
  const read = async (document: string): Promise<MirrorDocument | undefined> =>
    (await untilDone(() => mirrors.find({ _id: document }).toArray()))[0];

  /** Until `write` says that it was made. */
  const guarded = async (
    document: string,
    change: ChangeText,
    write: (seen: MirrorDocument, text: string) => Promise<boolean>,
  ): Promise<void> =>
    void (await untilDone(async () => {
      const seen = await read(document);
      const text = seen === undefined ? undefined : change(seen.value.text ?? '');
      return seen !== undefined && text !== undefined && (await write(seen, text)) ? true : undefined;
    }));
  const unchanged = ({ _id, value, inkstream }: MirrorDocument) => ({
    _id,
    'value.text': value.text ?? '',
    'inkstream.rev': inkstream?.rev ?? '',
  });
  return {
    mirrors,
    read,
    setField: async (document, field, value) =>
      void (await untilDone(async () => {
        const { matchedCount } = await mirrors.updateOne({ _id: document }, { $set: { [`value.fields.${field}`]: value } });
        return matchedCount > 0 ? true : undefined;
      })),
    push: async (document, entry) =>
      void (await untilDone(async () => {
        const withoutIt = { _id: document, 'value.list': { $ne: entry } };
        const { matchedCount } = await mirrors.updateOne(withoutIt, { $push: { 'value.list': entry } as never });
        return matchedCount > 0 || (await read(document))?.value.list?.includes(entry) === true ? true : undefined;
      })),
    setText: (document, change) =>
      guarded(document, change, async (seen, text) => {
        const { matchedCount } = await mirrors.updateOne(
          { _id: document, 'value.text': seen.value.text ?? '' },
          { $set: { 'value.text': text } },
        );
        return matchedCount > 0;
      }),
    replace: (document, change, bookkeeping) =>
      guarded(document, change, async (seen, text) => {
        const { value, _id: _, inkstream: __, ...others } = seen;
        const kept = bookkeeping === 'kept' && seen.inkstream !== undefined ? { inkstream: seen.inkstream } : {};
        const { matchedCount } = await mirrors.replaceOne(unchanged(seen), { ...others, ...kept, value: { ...value, text } });
        return matchedCount > 0;
      }),
    deleteAndInsert: (document, change) =>
      guarded(document, change, async (seen, text) => {
        const { deletedCount } = await mirrors.deleteOne(unchanged(seen));
        if (deletedCount === 0) return false;
        return mirrors.insertOne({ _id: document, value: { ...seen.value, text } }).then(
          () => true,
          (error: unknown) => {
            if (isDuplicate(error)) return false; // it was written anew in between
            throw error;
          },
        );
      }),
    copy: (document, to) =>
      untilDone(async () => {
        const seen = await read(document);
        if (seen === undefined) return undefined;
        return mirrors.insertOne({ ...seen, _id: to }).then(
          () => seen.value,
          async (error: unknown) => {
            if (isDuplicate(error)) return (await read(to))?.value;
            throw error;
          },
        );
      }),
    close: () => client.close(),
  };
}
