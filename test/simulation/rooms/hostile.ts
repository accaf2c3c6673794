/** Updates that no editor would send: nearly right in every part, so that much of it gets through. */

import { crc32 } from 'node:zlib';
import * as encoding from 'lib0/encoding';
import { content, hasKey, hasOrigin, hasRightOrigin } from '#shared/document/struct-reader.ts';
import type { Random } from './random.ts';

/**
 * Where its items say that they belong. 'anywhere': between any two others, in whatever order and under whatever parents these are. Yjs' own replicas
 * may then order them differently, depending on what they read first; only a tree could tell. 'plain': at the beginning of something, or after the item before it.
 */
export type Placing = 'plain' | 'anywhere';

const roots = ['text', 'map', 'array', 'xml'];

/**
 * An update with structs of some of `clients`, beginning about where `next` says, that refers to them and to `others`. Mostly sound; whether it is, the scan must know.
 */
export function hostileUpdate(
  random: Random,
  clients: readonly number[],
  next: (client: number) => number,
  others: readonly number[],
  placing: Placing,
): Uint8Array {
  const encoder = encoding.createEncoder();
  const chosen = clients.filter(() => random.chance(0.5)).toSorted((a, b) => b - a);
  const everybody = [...clients, ...others];
  writeNumber(encoder, chosen.length);
  const ends = new Map<number, number>();
  const known = (client: number): number => ends.get(client) ?? next(client);
  for (const client of chosen) {
    const structs = 1 + random.integer(3);
    let clock = random.chance(0.6)
      ? next(client)
      : Math.max(0, next(client) - random.integer(4) + (random.chance(0.2) ? random.integer(3) : 0));
    writeNumber(encoder, structs);
    writeNumber(encoder, client);
    writeNumber(encoder, clock);
    for (let i = 0; i < structs; i++) {
      clock += writeStruct(encoder, random, {
        client,
        clock,
        known: (id) => (id === client ? clock : known(id)),
        everybody,
        placing,
      });
      ends.set(client, clock);
    }
  }
  const deletions = random.integer(3);
  writeNumber(encoder, deletions);
  for (let i = 0; i < deletions; i++) {
    const client = random.pick(everybody);
    writeNumber(encoder, client);
    writeNumber(encoder, 1);
    writeNumber(encoder, random.integer(Math.max(1, known(client))));
    writeNumber(encoder, 1 + random.integer(4));
  }
  return encoding.toUint8Array(encoder);
}

/** One of so many is written longer than it has to be; of the lengths of texts, which are what is joined, more. */
const numbersPerLongOne = 150;
const textsPerLongOne = 12;

/** Whether it is written long is up to what is before it, and no draw of the seed: those that failed once stay what they were. */
function writeNumber(encoder: encoding.Encoder, value: number, perLongOne = numbersPerLongOne): void {
  if (crc32(encoding.toUint8Array(encoder)) % perLongOne !== 1) return encoding.writeVarUint(encoder, value);
  writeLong(encoder, value);
}

/** `value` with a byte more than it needs, which adds nothing to it. */
function writeLong(encoder: encoding.Encoder, value: number): void {
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) encoding.writeUint8(encoder, 128 | (rest % 128));
  encoding.writeUint8(encoder, 128 | rest);
  encoding.writeUint8(encoder, 0);
}

function writeText(encoder: encoding.Encoder, text: string): void {
  const bytes = Buffer.from(text);
  writeNumber(encoder, bytes.length, textsPerLongOne);
  encoding.writeUint8Array(encoder, bytes);
}

type Place = {
  readonly client: number;
  readonly clock: number;
  readonly known: (client: number) => number;
  readonly everybody: readonly number[];
  readonly placing: Placing;
};

function writeStruct(encoder: encoding.Encoder, random: Random, place: Place): number {
  if (random.chance(0.1)) return writeRange(encoder, content.gc, random);
  if (random.chance(0.03)) return writeRange(encoder, content.skip, random);
  const kinds = [content.deleted, content.string, content.string, content.string, content.json, content.embed, content.format];
  const kind = random.pick([...kinds, content.type, content.type, content.any, content.any, content.binary, content.subdocument]);
  const present = place.everybody.filter((client) => place.known(client) > 0);
  const anywhere = place.placing === 'anywhere' && present.length > 0;
  const afterOwn = !anywhere && place.clock > 0 && random.chance(0.3);
  const flags =
    (afterOwn || (anywhere && random.chance(0.5)) ? hasOrigin : 0) |
    (anywhere && random.chance(0.4) ? hasRightOrigin : 0) |
    (random.chance(0.3) ? hasKey : 0);
  encoding.writeUint8(encoder, kind | flags);
  const writeId = (): void => {
    const client = afterOwn ? place.client : random.pick(present.length > 0 ? present : place.everybody);
    writeNumber(encoder, client);
    const beyond = random.chance(0.05) ? 2 : 0;
    writeNumber(encoder, afterOwn ? place.clock - 1 : random.integer(Math.max(1, place.known(client) + beyond)));
  };
  if (flags & hasOrigin) writeId();
  if (flags & hasRightOrigin) writeId();
  if ((flags & (hasOrigin | hasRightOrigin)) === 0) {
    const root = present.length === 0 || random.chance(0.5);
    writeNumber(encoder, root ? 1 : 0);
    if (root) writeText(encoder, random.pick(roots));
    else writeId();
    if (flags & hasKey) writeText(encoder, random.pick(['k0', 'k1', 'width']));
  }
  return writeContent(encoder, random, kind);
}

function writeRange(encoder: encoding.Encoder, kind: number, random: Random): number {
  const length = 1 + random.integer(3);
  encoding.writeUint8(encoder, kind);
  writeNumber(encoder, length);
  return length;
}

function writeContent(encoder: encoding.Encoder, random: Random, kind: number): number {
  const length = 1 + random.integer(3);
  switch (kind) {
    case content.deleted:
      writeNumber(encoder, length);
      return length;
    case content.json:
      writeNumber(encoder, length);
      for (let i = 0; i < length; i++) writeText(encoder, random.pick(['1', '"s"', 'undefined', '{"a":[]}']));
      return length;
    case content.binary:
      writeNumber(encoder, length);
      encoding.writeUint8Array(encoder, new Uint8Array(length));
      return 1;
    case content.string: {
      const text = random.pick(['a', 'bc', 'def', '😀', 'x😀y', 'é']);
      writeText(encoder, text);
      return text.length;
    }
    case content.embed:
      writeText(encoder, random.pick(['{"a":1}', '1', 'null']));
      return 1;
    case content.format:
      writeText(encoder, random.pick(['bold', 'em']));
      writeText(encoder, random.pick(['true', 'null', '1']));
      return 1;
    case content.type: {
      const type = random.integer(7);
      writeNumber(encoder, type);
      if (type === 3 || type === 5) writeText(encoder, 'p');
      return 1;
    }
    case content.any:
      writeNumber(encoder, length);
      for (let i = 0; i < length; i++) encoding.writeAny(encoder, random.pick([1, null, 's', { a: [1] }]));
      return length;
    default:
      writeText(encoder, `guid-${random.integer(1000)}`);
      encoding.writeAny(encoder, {});
      return 1;
  }
}
