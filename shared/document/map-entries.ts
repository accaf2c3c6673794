/**
 * Map entries that don't say so.
 *
 * What is under a key of a map (or an attribute of an element) is a chain of items, each replacing the one before it, and Yjs deletes what is replaced as it integrates.
 * It deletes whole items. An entry of several clocks that is split, because someone refers to its middle, leaves a first half that is neither
 * current nor deleted, and from then on whoever deletes the map makes every reader throw ("Unexpected case", in `Item.gc`). Editors make no
 * such entries, except where they are deleted already: then Yjs has joined them.
 *
 * Refusing them takes knowing which items are entries. An item without origins says so in its key. One with an origin is what its origin is, whatever its own flag
 * says: readers ignore the flag there, and Yjs' `mergeUpdates` drops it from honest ones. So a document keeps the set of its entries, what comes in must agree
 * with it, and where it does not, the flags are put right before anyone sees them (a bit in the first byte of a struct). From there on a flag can be believed, also when
 * records are merged without their document: text is never joined in a chain.
 *
 * An entry of several clocks gets what Yjs would have done to several entries: all clocks but the last are deleted.
 */

import { at, IntervalSet, type Ranges } from './intervals.ts';
import { storedUpdateLimits } from './limits.ts';
import type { Scanned, Section } from './scan.ts';
import { StructReader, hasKey } from './struct-reader.ts';

/** Whether the flags of all items of `update` are right, given the entries of the document that it is ready for. */
export function agreesOnEntries(update: Scanned, known: IntervalSet): boolean {
  const { links } = update;
  if (links.length === 0 || (known.count === 0 && update.keyed.length === 0)) return true;
  const own = new IntervalSet();
  own.addAll(update.keyed);
  for (let i = 0; i < links.length; i += 3) {
    const client = at(links, i);
    const clock = at(links, i + 1);
    const isEntry = own.covers(client, clock, clock + 1) || known.covers(client, clock, clock + 1);
    if (isEntry !== (at(links, i + 2) === 1)) return false;
  }
  return true;
}

/** The deletions that must come with `update`, so that no entry of several clocks can leave a half behind. */
export function deletionsOfReplaced({ replaced, deletions }: Scanned): Ranges {
  if (replaced.length === 0) return replaced;
  const deleted = new IntervalSet();
  deleted.addAll(deletions);
  const missing: number[] = [];
  for (let i = 0; i < replaced.length; i += 3) {
    const [client, start, end] = [at(replaced, i), at(replaced, i + 1), at(replaced, i + 2)];
    if (!deleted.covers(client, start, end)) missing.push(client, start, end);
  }
  return missing;
}

/** The bytes of `update`, each item's flag as what it follows has it. A copy. */
export function withTrueFlags(update: Scanned, known: IntervalSet): Uint8Array {
  const bytes = update.bytes.slice();
  const structs = new Structs(update);
  for (const struct of structs.all) {
    if (struct.linkClient < 0) continue;
    const info = bytes[struct.byte] ?? 0;
    bytes[struct.byte] = isEntry(struct, structs, known) ? info | hasKey : info & ~hasKey;
  }
  return bytes;
}

type Struct = {
  readonly clock: number;
  /** Where its first byte is. */
  readonly byte: number;
  /** What it follows; -1 for nothing. */
  readonly linkClient: number;
  readonly linkClock: number;
  /** Undefined until it is found out. */
  isEntry: boolean | undefined;
};

/** Goes back to the first item that has a key or has none, and tells all on the way. */
function isEntry(struct: Struct, structs: Structs, known: IntervalSet): boolean {
  const way: Struct[] = [];
  let at: Struct | undefined = struct;
  let found: boolean | undefined;
  while (found === undefined) {
    if (at.isEntry !== undefined) found = at.isEntry;
    else {
      way.push(at);
      const { linkClient, linkClock }: Struct = at;
      const before: Struct | undefined = structs.find(linkClient, linkClock);
      if (before === undefined) found = known.covers(linkClient, linkClock, linkClock + 1);
      else at = before;
    }
  }
  for (const passed of way) passed.isEntry = found;
  return found;
}

class Structs {
  readonly all: readonly Struct[];
  readonly #bySection: readonly (readonly Struct[])[];
  readonly #sections: Scanned['sections'];
  readonly #firstOfClient = new Map<number, number>();

  constructor(update: Scanned) {
    this.#sections = update.sections;
    this.#bySection = update.sections.map((section) => readSection(update.bytes, section));
    this.all = this.#bySection.flat();
    for (const [index, { client }] of update.sections.entries()) {
      if (!this.#firstOfClient.has(client)) this.#firstOfClient.set(client, index);
    }
  }

  find(client: number, clock: number): Struct | undefined {
    let index = this.#firstOfClient.get(client) ?? this.#sections.length;
    for (; index < this.#sections.length; index++) {
      const section = this.#sections[index];
      if (section === undefined || section.client !== client) return undefined;
      if (section.start <= clock && clock < section.end) break;
    }
    const structs = this.#bySection[index] ?? [];
    let low = 0;
    let high = structs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((structs[middle]?.clock ?? Infinity) <= clock) low = middle;
      else high = middle - 1;
    }
    return structs[low];
  }
}

function readSection(bytes: Uint8Array, section: Section): readonly Struct[] {
  const reader = new StructReader(bytes, section.from, storedUpdateLimits);
  const structs: Struct[] = [];
  for (let clock = section.start; clock < section.end; clock += reader.length) {
    const byte = reader.position;
    reader.read(section.client, clock);
    const { originClient, originClock, rightClient, rightClock } = reader;
    const linkClient = originClient >= 0 ? originClient : rightClient;
    structs.push({
      clock,
      byte,
      linkClient,
      linkClock: originClient >= 0 ? originClock : rightClock,
      isEntry: linkClient >= 0 ? undefined : (reader.info & hasKey) !== 0,
    });
  }
  return structs;
}
