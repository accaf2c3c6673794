/** Updates put together by hand. */

import * as encoding from 'lib0/encoding';
import { DocumentState } from '#shared/document/document-state.ts';
import { defaultUpdateLimits } from '#shared/document/limits.ts';
import { scanUpdate, type Scanned } from '#shared/document/scan.ts';

export const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Scans what must be sound. */
export function scan(bytes: Uint8Array): Scanned {
  const scanned = scanUpdate(bytes, defaultUpdateLimits);
  if ('refused' in scanned) throw new Error(scanned.refused);
  return scanned;
}

/** A document that took these updates one after the other, all of them fresh. */
export function stateOf(...updates: readonly Uint8Array[]): DocumentState {
  const state = new DocumentState();
  for (const bytes of updates) {
    const judgement = state.judge(scan(bytes));
    if (judgement.kind !== 'fresh') throw new Error(`${hexOf(bytes)} is ${judgement.kind}`);
    state.take(judgement.update);
  }
  return state;
}

type WriteStruct = (encoder: encoding.Encoder) => void;

/** Sections of client, first clock, structs; then deletions of client, clock, length. */
export function update(
  sections: readonly (readonly [number, number, ...WriteStruct[]])[],
  deletions: readonly (readonly [number, number, number])[] = [],
): Uint8Array {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, sections.length);
  for (const [client, clock, ...writers] of sections) {
    encoding.writeVarUint(encoder, writers.length);
    encoding.writeVarUint(encoder, client);
    encoding.writeVarUint(encoder, clock);
    for (const write of writers) write(encoder);
  }
  encoding.writeVarUint(encoder, deletions.length);
  for (const [client, clock, length] of deletions) {
    for (const number of [client, 1, clock, length]) encoding.writeVarUint(encoder, number);
  }
  return encoding.toUint8Array(encoder);
}

type Id = readonly [client: number, clock: number];

function writePlace(encoder: encoding.Encoder, content: number, origin?: Id, right?: Id): void {
  encoding.writeUint8(encoder, content | (origin ? 128 : 0) | (right ? 64 : 0));
  for (const id of [origin, right]) {
    if (id === undefined) continue;
    encoding.writeVarUint(encoder, id[0]);
    encoding.writeVarUint(encoder, id[1]);
  }
  if (origin !== undefined || right !== undefined) return;
  encoding.writeVarUint(encoder, 1);
  encoding.writeVarString(encoder, 't');
}

export const structs = {
  gc: (encoder: encoding.Encoder, length: number): void => {
    encoding.writeUint8(encoder, 0);
    encoding.writeVarUint(encoder, length);
  },
  skip: (encoder: encoding.Encoder, length: number): void => {
    encoding.writeUint8(encoder, 10);
    encoding.writeVarUint(encoder, length);
  },
  text:
    (text: string, origin?: Id, right?: Id): WriteStruct =>
    (encoder) => {
      writePlace(encoder, 4, origin, right);
      encoding.writeVarString(encoder, text);
    },
  embed: (encoder: encoding.Encoder, json: string): void => {
    writePlace(encoder, 5);
    encoding.writeVarString(encoder, json);
  },
  any: (encoder: encoding.Encoder, value: Uint8Array): void => {
    writePlace(encoder, 8);
    encoding.writeVarUint(encoder, 1);
    encoding.writeUint8Array(encoder, value);
  },
  type: (encoder: encoding.Encoder): void => {
    writePlace(encoder, 7);
    encoding.writeVarUint(encoder, 2);
  },
  subdocument: (encoder: encoding.Encoder): void => {
    writePlace(encoder, 9);
    encoding.writeVarString(encoder, 'guid');
    encoding.writeAny(encoder, {});
  },
} as const;
