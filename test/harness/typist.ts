/**
 * Somebody who types at random, with a real client, and remembers which of his edits were acknowledged.
 *
 * Everything is an edit: an insertion, a deletion, a change of format, a paste of a megabyte. Each is one transaction, and so one Update frame. What was acknowledged
 * is kept as the bytes that went out. They are in a document if they bring nothing new to it: a Y.Doc that is given them then says nothing, whether they
 * insert, delete or format. That is how `missingIn` finds what was lost, and it needs no other oracle.
 */

import * as prng from 'lib0/prng';
import * as Y from 'yjs';
import { openClient, type Client } from '#test/harness/y-websocket-client.ts';

export type EditKind = 'insertion' | 'deletion' | 'formatting' | 'paste';
export type Edit = { readonly kind: EditKind; readonly update: Uint8Array };

export type Typist = {
  readonly client: Client;
  readonly document: string;
  /** In the order in which they were made. */
  readonly acknowledged: readonly Edit[];
  /** Makes one edit that changes something; none while the client is offline, or waits for many acknowledgements. Returns whether it did. */
  readonly type: () => boolean;
};

export type TypistOptions = {
  readonly url: string;
  readonly document: string;
  readonly random: prng.PRNG;
  /** One edit in so many is a paste of a megabyte, or takes everything out. 0: none is. */
  readonly pasteOneIn: number;
};

const pasteCharacters = 1024 * 1024;
const unsettledMax = 30;

/** Text that does not repeat, so that what is lost can't be mistaken for something else. */
const words = (random: prng.PRNG, length: number): string =>
  length <= 16 ? prng.word(random, length, length) : prng.word(random, 16, 16).repeat(length / 16);

function insertion(text: Y.Text, random: prng.PRNG): EditKind {
  text.insert(prng.int32(random, 0, text.length), words(random, prng.int32(random, 1, 12)));
  return 'insertion';
}

/** Makes one edit in one transaction. It may change nothing: making bold what is bold already. */
function edit(text: Y.Text, random: prng.PRNG, pasteOneIn: number): EditKind {
  const at = prng.int32(random, 0, text.length);
  const length = Math.min(text.length - at, prng.int32(random, 1, 12));
  const dice = prng.int32(random, 0, 99);
  if (pasteOneIn > 0 && prng.int32(random, 1, pasteOneIn) === 1) {
    if (text.length < 2 * pasteCharacters) {
      text.insert(at, words(random, pasteCharacters));
      return 'paste';
    }
    text.delete(0, text.length);
    return 'deletion';
  }
  if (length > 0 && dice < 25) {
    text.delete(at, length);
    return 'deletion';
  }
  if (length > 0 && dice < 45) {
    const format = prng.oneOf(random, ['bold', 'italic']);
    text.format(at, length, { [format]: prng.bool(random) ? true : null });
    return 'formatting';
  }
  return insertion(text, random);
}

export function openTypist({ url, document, random, pasteOneIn }: TypistOptions): Typist {
  let outstanding: { kind: EditKind | 'step2'; readonly update: Uint8Array }[] = [];
  const acknowledged: Edit[] = [];
  const client = openClient({
    url,
    document,
    onSent: ({ kind, update }) => outstanding.push({ kind: kind === 'step2' ? kind : 'insertion', update: update.slice() }),
    onAcknowledged: (frames) => {
      for (const { kind, update } of outstanding.splice(0, frames)) if (kind !== 'step2') acknowledged.push({ kind, update });
    },
    onDisconnected: () => {
      outstanding = [];
    },
  });
  return {
    client,
    document,
    acknowledged,
    type: () => {
      if (!client.provider.synced || client.unsettled() > unsettledMax) return false;
      const before = outstanding.length;
      let kind = edit(client.text, random, pasteOneIn);
      if (outstanding.length === before) kind = insertion(client.text, random);
      const sent = outstanding.at(-1);
      if (sent === undefined || outstanding.length === before) return false;
      sent.kind = kind;
      return true;
    },
  };
}

/** Those of the edits that are not, or not wholly, in the document. */
export function missingIn(doc: Y.Doc, edits: readonly Edit[]): readonly Edit[] {
  const copy = new Y.Doc();
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(doc));
  let isNew = false;
  copy.on('update', () => {
    isNew = true;
  });
  return edits.filter(({ update }) => {
    isNew = false;
    Y.applyUpdate(copy, update);
    return isNew || copy.store.pendingStructs !== null || copy.store.pendingDs !== null;
  });
}
