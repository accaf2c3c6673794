/**
 * What there is to say, in messages that are not too long. Each says something by itself: if one is lost, the others hold.
 */

import type { Asked, PresenceBody } from '#gateway/presence-message.ts';
import { clientIdMax, encodePresenceMessage } from '#gateway/presence-message.ts';
import type { DocumentName } from '#shared/document/name.ts';
import { type AwarenessEntry, encodeAwarenessUpdate } from '#shared/wire/awareness.ts';

/** Who sends, and the longest message, in bytes. */
export type Envelope = { readonly gateway: string; readonly messageBytesMax: number };

/** What lengths and numbers add to an entry, or to a document's name. */
const itemBytes = 20;
const nothing = new Uint8Array(0);

/** `items` in their order, in portions of at most `bytesMax`. An item that is longer by itself is left out. */
function inPortions<Item>(
  items: Iterable<Item>,
  bytesOf: (item: Item) => number,
  bytesMax: number,
): readonly (readonly Item[])[] {
  const portions: Item[][] = [];
  let bytes = Infinity;
  for (const item of items) {
    const more = bytesOf(item);
    if (more > bytesMax) continue;
    bytes += more;
    if (bytes > bytesMax) {
      portions.push([]);
      bytes = more;
    }
    portions.at(-1)?.push(item);
  }
  return portions;
}

/** What is left of a message beside `body`. */
const bytesBeside = ({ gateway, messageBytesMax }: Envelope, body: PresenceBody): number =>
  messageBytesMax - encodePresenceMessage({ gateway, number: clientIdMax, body }).length - itemBytes;

const entryPortions = (
  envelope: Envelope,
  entries: readonly AwarenessEntry[],
  beside: PresenceBody,
): readonly (readonly AwarenessEntry[])[] =>
  inPortions(entries, ({ state }) => state.length + itemBytes, bytesBeside(envelope, beside));

const nameBytes = (document: DocumentName): number => Buffer.byteLength(document) + itemBytes;

export function changesOf(
  envelope: Envelope,
  document: DocumentName,
  entries: readonly AwarenessEntry[],
): readonly PresenceBody[] {
  const beside: PresenceBody = { kind: 'changes', document, awareness: nothing };
  return entryPortions(envelope, entries, beside).map((portion) => ({ ...beside, awareness: encodeAwarenessUpdate(portion) }));
}

/** `own` is everybody, by client id, and not empty. */
export function wholeOf(envelope: Envelope, document: DocumentName, own: readonly AwarenessEntry[]): readonly PresenceBody[] {
  const beside = { kind: 'whole', document, from: clientIdMax, to: clientIdMax, awareness: nothing } as const;
  const portions = entryPortions(envelope, own, beside);
  const firstOf = (index: number): number | undefined => portions[index]?.[0]?.client;
  return portions.map((portion, index) => ({
    ...beside,
    from: index === 0 ? 0 : (firstOf(index) ?? 0),
    to: (firstOf(index + 1) ?? clientIdMax + 1) - 1,
    awareness: encodeAwarenessUpdate(portion),
  }));
}

export function nobodyIn(envelope: Envelope, documents: readonly DocumentName[]): readonly PresenceBody[] {
  const beside: PresenceBody = { kind: 'nobody', documents: [] };
  return inPortions(documents, nameBytes, bytesBeside(envelope, beside)).map((portion) => ({ ...beside, documents: portion }));
}

export function queriesTo(envelope: Envelope, to: string, asked: readonly Asked[]): readonly PresenceBody[] {
  const beside: PresenceBody = { kind: 'query', to, documents: [] };
  const portions = inPortions(asked, ({ document }) => nameBytes(document), bytesBeside(envelope, beside));
  return portions.map((portion) => ({ ...beside, documents: portion }));
}

export function unseenOf(
  envelope: Envelope,
  to: string,
  document: DocumentName,
  entries: readonly AwarenessEntry[],
): readonly PresenceBody[] {
  const beside: PresenceBody = { kind: 'unseen', to, document, awareness: nothing };
  return entryPortions(envelope, entries, beside).map((portion) => ({ ...beside, awareness: encodeAwarenessUpdate(portion) }));
}
