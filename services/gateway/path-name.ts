/** A document's name in a path. */

import { parseDocumentName } from '#shared/document/name.ts';

/** The name, percent-encoded in a path, or why it is none. */
export function decodeName(encoded: string): ReturnType<typeof parseDocumentName> {
  try {
    return parseDocumentName(decodeURIComponent(encoded));
  } catch {
    return { refusal: 'the document name is not percent-encoded UTF-8' };
  }
}
