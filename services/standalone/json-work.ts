/**
 * What the JSON door does with whole documents: apart from its thread, so that tests can do it in theirs.
 *
 * All of it costs by the size of a document or of a request, so requests come in as the bytes that they were and go out as bytes that are ready to be sent. What is in between never sees the
 * event loop.
 */

import { createHash } from 'node:crypto';
import type { JsonChange, Representation } from '#gateway/json-documents.ts';
import { equalJson, isMap, noEntries, type JsonMap, type JsonValue } from '#shared/document/json/value.ts';
import type { MirrorWork } from '#shared/mirror/work.ts';
import { valueForm } from '#shared/store/mirror-values.ts';
import type { StoredValue } from '#shared/store/mirrors.ts';
import { formatJson, parseJson, type Malformed } from '#shared/wire/json-value.ts';
import { mergePatch } from '#shared/wire/merge-patch.ts';

/** What a request makes of a document's value. */
export type Wanted =
  | { readonly kind: 'value'; readonly value: StoredValue; readonly isSame: boolean }
  | ({ readonly kind: 'malformed' } & Malformed)
  | { readonly kind: 'refused'; readonly reason: string };

export type TextWork = {
  readonly represent: (value: StoredValue) => Promise<Representation>;
  /** `from`: the value as it is; undefined where there is no document. */
  readonly want: (from: StoredValue | undefined, change: JsonChange) => Promise<Wanted>;
};

export type JsonWork = MirrorWork & TextWork;

const { decode, encode } = valueForm;

const mapIn = (stored: StoredValue | undefined): JsonMap => {
  const value = stored === undefined ? undefined : decode(stored);
  return isMap(value) ? value : noEntries;
};

/** A strong entity tag (RFC 9110 §8.8.3): a value has one text, and the tag names its bytes. */
function represent(value: JsonValue): Representation {
  const text = new TextEncoder().encode(formatJson(value)); // a Buffer goes to the other thread with all of the pool that it is in
  return { text, etag: `"${createHash('sha256').update(text).digest('base64url')}"` };
}

function want(from: StoredValue | undefined, { kind, body }: JsonChange): Wanted {
  const parsed = parseJson(body);
  if ('malformed' in parsed) return { kind: 'malformed', ...parsed.malformed };
  const current = mapIn(from);
  const value = kind === 'merge' ? mergePatch(current, parsed.value) : parsed.value;
  if (!isMap(value)) {
    const what = kind === 'merge' ? 'the patch' : 'the value';
    return { kind: 'refused', reason: `${what} has to be an object, with the document's roots by their names` };
  }
  return { kind: 'value', value: encode(value), isSame: from !== undefined && equalJson(current, value) };
}

/** Does the work in this thread. */
export const textWork: TextWork = {
  represent: async (value) => represent(mapIn(value)),
  want: async (from, change) => want(from, change),
};
