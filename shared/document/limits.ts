/**
 * What one update may ask of those who read it.
 *
 * A gateway scans bytes and is done in milliseconds; a reader integrates every struct into a tree. So an update that is cheap to
 * send can be dear to receive, and the one that must be protected is not here. The limits are on what makes readers pay out of
 * proportion to the bytes, and far above what an honest editor sends at once (a whole document of 20 MB, after a month offline).
 */

/** Limits on one incoming update. All are counts; a refused update closes its sender alone. */
export type UpdateLimits = {
  /**
   * Structs and deleted ranges. The smallest takes two bytes and costs a reader about a hundred: 2,000,000 are 40 MB of the
   * densest document that we know (nested XML, 20 bytes a struct).
   */
  readonly structsPerUpdateMax: number;
  /** Subdocuments. Each is a `Y.Doc` in every reader: 12 kB and 40 µs, so 1,000 are 12 MB and 40 ms. */
  readonly subdocumentsPerUpdateMax: number;
  /** How deep JSON and lib0's `Any` may nest. Readers and merges recurse; a few thousand overflow their stack. At most `nestingBound`. */
  readonly nestingMax: number;
  /**
   * Items without origin and right origin at one place: under one parent and, in a map, one key. Yjs finds such an item's place by walking past the others, so
   * n of them cost n²: 5,000 in 48 kB take readers over a second. Counted per place, since every element of a tree begins with one, while at one
   * place an honest document has as many as there were people who began it at the same moment. 1,000 cost a reader a quarter of a second.
   * What it does not see: items whose origins lie far apart, with many others between them. Editors never send those, but only a tree could tell.
   */
  readonly unanchoredPerUpdateMax: number;
};

/**
 * Clients in one state vector that somebody sends: one for each time that a page with the document was opened and edited. What
 * is parsed becomes a map at once, off a question that costs nothing to ask: 100,000 are 600 kB and 20 ms, while the four million
 * that a frame has room for would stop everybody for seconds and take hundreds of megabytes.
 */
export const stateVectorEntriesMax = 100_000;

/** The deepest nesting that the scanner itself can follow. */
export const nestingBound = 1_000;

export const defaultUpdateLimits: UpdateLimits = {
  structsPerUpdateMax: 2_000_000,
  subdocumentsPerUpdateMax: 1_000,
  nestingMax: 64,
  unanchoredPerUpdateMax: 1_000,
};

/**
 * For bytes that were admitted before: the sum of many admitted updates may be over every limit, and refusing it then would lose a
 * document instead of an update.
 */
export const storedUpdateLimits: UpdateLimits = {
  structsPerUpdateMax: Infinity,
  subdocumentsPerUpdateMax: Infinity,
  nestingMax: nestingBound,
  unanchoredPerUpdateMax: Infinity,
};
