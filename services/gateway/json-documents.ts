/** Documents as JSON, as the JSON door stands on them. What makes them out of mirrors is not the gateway's affair. */

import type { DocumentName } from '#shared/document/name.ts';
import type { Malformed } from '#shared/wire/json-value.ts';

/** JSON text in UTF-8, and its strong entity tag, quotes included. */
export type Representation = { readonly text: Uint8Array; readonly etag: string };

export type JsonLook =
  /** `unrepresented`: what of the document is not in the text. */
  | { readonly kind: 'found'; readonly representation: Representation; readonly unrepresented: readonly string[] }
  | { readonly kind: 'unknown' }
  /** There is a document, and JSON of it can't be had. */
  | { readonly kind: 'unfit'; readonly reason: string };

/** `replace`: the body is the value. `merge`: it is a JSON Merge Patch (RFC 7396). */
export type JsonChange = { readonly kind: 'replace' | 'merge'; readonly body: Uint8Array };

/** Whether a change may be made of the document as it is: `etag` is undefined where there is none. */
export type Precondition = (etag: string | undefined) => boolean;

export type JsonOutcome =
  /** Durable. `etag` is that of the document with this change in it, and with nothing else that came meanwhile. */
  | { readonly kind: 'changed'; readonly isNew: boolean; readonly etag: string }
  | { readonly kind: 'precondition-failed'; readonly etag: string | undefined }
  | ({ readonly kind: 'malformed' } & Malformed)
  /** The document is as it was. */
  | { readonly kind: 'refused'; readonly reason: string };

/** Both reject with `StoreUnavailable` or `JournalUnavailable` where they can't say: a change may have been made then, or yet be made. */
export type JsonDocuments = {
  /** As the document is now, with all that this process was sent until now. */
  readonly look: (document: DocumentName) => Promise<JsonLook>;
  readonly change: (document: DocumentName, change: JsonChange, precondition: Precondition) => Promise<JsonOutcome>;
};
