/**
 * Which edits a frame brings, without a Y.Doc.
 *
 * A server may hand on an edit as it came, merge the edits of a moment into one update, or join characters typed one after the other into
 * one struct. A marker inside the text would not survive all of that cheaply; ids do: every struct says whose it is and which clocks it covers.
 * One pass over the bytes finds them in about a microsecond a keystroke. It understands what the benchmark types (text in ASCII, so that
 * bytes are characters), and throws on anything else rather than counting wrong.
 */

const gcStruct = 0;
const deletedContent = 1;
const stringContent = 4;
const hasOrigin = 0x80;
const hasRightOrigin = 0x40;
const hasParentSub = 0x20;

/** Ranges of clocks, three numbers each: client id, first clock, clock after the last. Reused by the next call. */
export type Sections = { readonly ranges: readonly number[]; readonly count: number };

const ranges: number[] = [];
let source: Uint8Array = new Uint8Array(0);
let position = 0;

function readVarUint(): number {
  let value = 0;
  let factor = 1;
  for (;;) {
    const byte = source[position++];
    if (byte === undefined) throw new RangeError('the update ends in the middle of a number');
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value;
    factor *= 128;
  }
}

function skipId(): void {
  readVarUint();
  readVarUint();
}

function skipString(): number {
  const bytes = readVarUint();
  position += bytes;
  return bytes;
}

/** Skips one struct and returns how many clocks it takes. */
function skipStruct(): number {
  const info = source[position++];
  if (info === undefined) throw new RangeError('the update ends before a struct');
  const content = info & 0x1f;
  if (content === gcStruct) return readVarUint();
  if (info & hasOrigin) skipId();
  if (info & hasRightOrigin) skipId();
  if ((info & (hasOrigin | hasRightOrigin)) === 0) {
    if (readVarUint() === 1) skipString();
    else skipId();
    if (info & hasParentSub) skipString();
  }
  if (content === stringContent) return skipString();
  if (content === deletedContent) return readVarUint();
  throw new RangeError(`the update has content of kind ${content} in it, which the benchmark never types`);
}

/**
 * The clocks that a Yjs update (v1) at `bytes[start…]` brings, neighbouring structs as one range.
 * @throws RangeError for bytes that are cut off or that hold anything but text.
 */
export function readSections(bytes: Uint8Array, start: number): Sections {
  source = bytes;
  position = start;
  let filled = 0;
  for (let clients = readVarUint(); clients > 0; clients--) {
    const structs = readVarUint();
    const client = readVarUint();
    const first = readVarUint();
    let clock = first;
    for (let struct = 0; struct < structs; struct++) clock += skipStruct();
    ranges[filled++] = client;
    ranges[filled++] = first;
    ranges[filled++] = clock;
  }
  return { ranges, count: filled / 3 };
}
