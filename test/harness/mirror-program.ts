/**
 * A program that edits documents in MongoDB, as somebody would write one who knows nothing of Inkstream but where the documents are: with the driver, in every way in which one can.
 *
 * Whoever writes back what he has read, changed, has to make sure that it still is what he has read (that is no matter of ours: with any program beside him he would take back what that one wrote). So each such
 * edit is guarded, and made anew where it missed. `$set` of a field and `$push` need none of that.
 */

import { type Collection, MongoClient, MongoServerError } from 'mongodb';

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

/** What becomes of a text; undefined: nothing can be done with it yet. */
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
  /** Resolves with what the copy has. */
  readonly copy: (document: string, to: string) => Promise<MirrorDocument['value']>;
  readonly close: () => Promise<void>;
};

const duplicateKey = 11_000;

const isDuplicate = (error: unknown): boolean => error instanceof MongoServerError && error.code === duplicateKey;

/** Connects to a database. */
export async function openMirrorProgram(url: string): Promise<MirrorProgram> {
  const client = await MongoClient.connect(url);
  const mirrors = client.db().collection<MirrorDocument>('mirrors');
  const read = async (document: string): Promise<MirrorDocument | undefined> =>
    (await mirrors.findOne({ _id: document })) ?? undefined;

  /** Until `write` says that it was made. */
  const guarded = async (
    document: string,
    change: ChangeText,
    write: (seen: MirrorDocument, text: string) => Promise<boolean>,
  ): Promise<void> => {
    for (;;) {
      const seen = await read(document);
      const text = seen === undefined ? undefined : change(seen.value.text ?? '');
      if (seen !== undefined && text !== undefined && (await write(seen, text))) return;
    }
  };
  const unchanged = ({ _id, value, inkstream }: MirrorDocument) => ({
    _id,
    'value.text': value.text ?? '',
    'inkstream.rev': inkstream?.rev ?? '',
  });
  return {
    mirrors,
    read,
    setField: async (document, field, value) =>
      void (await mirrors.updateOne({ _id: document }, { $set: { [`value.fields.${field}`]: value } })),
    push: async (document, entry) =>
      void (await mirrors.updateOne({ _id: document }, { $push: { 'value.list': entry } as never })),
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
    copy: async (document, to) => {
      const seen = await read(document);
      if (seen === undefined) throw new Error(`there is no mirror of ${document}`);
      await mirrors.insertOne({ ...seen, _id: to });
      return seen.value;
    },
    close: () => client.close(),
  };
}
