/**
 * The document's name, and where it stands in addresses.
 *
 * A page is about one document, and its address says which: `/?document=team-7/notes`. Why the query and not the path or the part
 * after `#`: the path is the static server's, which would need a rule for every name; a fragment is lost in log-in redirects, and a
 * changed one does not load the page anew, so that every part of it would need to know how to let go of a document. With the query one file serves
 * all names, back and forward work by themselves, and `/` and letters of any script stay readable in it.
 *
 * The rules for names are the server's (`shared/document/name.ts`), whose refusal a browser can't see: an HTTP 400 at a WebSocket's
 * upgrade looks like a network that is down. So a name is checked here first, in words.
 */

/** The longest document name, in bytes of UTF-8. */
export const documentNameBytesMax = 512;

/** A name that the server will take, or why it will not, in words for the person who typed it. */
export type ParsedName = { readonly name: string } | { readonly refusal: string };

/** The document that `/` opens, so that two people who were only told the address meet. */
const welcomeDocument = 'welcome';

const adjectives = [
  'amber',
  'brisk',
  'calm',
  'dappled',
  'early',
  'gentle',
  'hazel',
  'lively',
  'mellow',
  'quiet',
  'silver',
  'sunny',
];
const places = ['bay', 'brook', 'field', 'garden', 'grove', 'harbour', 'hill', 'island', 'meadow', 'orchard', 'river', 'valley'];

export function parseName(name: string): ParsedName {
  const bytes = new TextEncoder().encode(name).byteLength;
  if (bytes === 0) return { refusal: 'A document needs a name.' };
  if (bytes > documentNameBytesMax) {
    return { refusal: `This name is too long: it has ${bytes} bytes, and at most ${documentNameBytesMax} are allowed.` };
  }
  if (/\p{Cc}/u.test(name)) return { refusal: 'This name has a control character in it, such as a tab or a line break.' };
  if (!name.isWellFormed()) return { refusal: 'This name has half a character in it (a lone surrogate).' };
  if (name === '.' || name === '..')
    return { refusal: 'Browsers take “.” and “..” for folders, so a document can’t have that name here.' };
  return { name };
}

/** The document that a page's `location.search` asks for. */
export function nameFromSearch(search: string): ParsedName {
  const encoded = /[?&]document=([^&]*)/u.exec(search)?.[1];
  if (encoded === undefined) return { name: welcomeDocument };
  try {
    return parseName(decodeURIComponent(encoded.replaceAll('+', ' ')));
  } catch {
    return { refusal: 'This link is damaged: the name in its address can’t be decoded.' };
  }
}

/** The path and query of a document's page. */
export const pageAddress = (name: string): string => `/?document=${encodeURIComponent(name).replaceAll('%2F', '/')}`;

/** The name as the last part of the WebSocket's address. */
export const roomName = (name: string): string => encodeURIComponent(name);

/** A name for a new document that nobody has: two words to remember it by, six characters against chance. `random` as `Math.random`. */
export function suggestName(random: () => number): string {
  const pick = (words: readonly string[]): string => words[Math.floor(random() * words.length)] ?? '';
  const tail = Array.from({ length: 6 }, () => '23456789abcdefghjkmnpqrstuvwxyz'.charAt(Math.floor(random() * 31))).join('');
  return `${pick(adjectives)}-${pick(places)}-${tail}`;
}
