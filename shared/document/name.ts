/**
 * Document names.
 *
 * A name is the key of everything: of a journal record, of a stored document, of a room. It comes from outside (a URL, a frame,
 * a token), so it is parsed once, at the door, and is a `DocumentName` from there on.
 */

declare const documentNameBrand: unique symbol;

/** 1 to 512 bytes of UTF-8 without control characters; `/` is fine. Made by `parseDocumentName` alone. */
export type DocumentName = string & { readonly [documentNameBrand]: true };

/** The longest document name, in bytes of UTF-8. */
export const documentNameBytesMax = 512;

// C0, DEL and C1; lone surrogates have no UTF-8, so two of them would share one key.
const controlCharacter = /\p{Cc}/u;

/** The name as a `DocumentName`, or the reason why it is none, in words for the person who sent it. */
export function parseDocumentName(name: string): { readonly name: DocumentName } | { readonly refusal: string } {
  const bytes = Buffer.byteLength(name, 'utf8');
  if (bytes === 0) return { refusal: 'the document name is empty' };
  if (bytes > documentNameBytesMax) {
    return { refusal: `the document name has ${bytes} bytes of UTF-8; at most ${documentNameBytesMax} are allowed` };
  }
  if (controlCharacter.test(name)) return { refusal: 'the document name has a control character in it' };
  if (!name.isWellFormed()) return { refusal: 'the document name is not well-formed Unicode' };
  return { name: name as DocumentName };
}
