/**
 * Mirrors on one disk (LMDB), beside journal and store in the same directory.
 *
 *     'M' name 00 'i'  →  our bookkeeping      not there: missing
 *     'M' name 00 'v'  →  the value
 *     'S' name 00      →  the state
 *
 * A value may have 4 MB, and most writes are of the bookkeeping alone, so the two are apart; both are read in one view of the database, and whatever a write depends on is looked at when
 * its transaction begins. No other program writes here, but one that did would be treated as it is in MongoDB.
 */

import { Buffer } from 'node:buffer';
import type { DocumentName } from '#shared/document/name.ts';
import { keyOf } from '#shared/runtime/key.ts';
import type { Environment, View, Write } from '#shared/runtime/lmdb.ts';
import { describeRefusal } from '#shared/runtime/stored-kind.ts';
import {
  decodeInkstream,
  decodeMirrorState,
  decodeMirrorValue,
  encodeInkstream,
  encodeMirrorState,
  encodeMirrorValue,
} from './embedded-mirror-values.ts';
import { createEmbeddedCalls } from './embedded-calls.ts';
import { firstNames } from './embedded-names.ts';
import { valueForm } from './mirror-values.ts';
import {
  holds,
  sameValue,
  snapshotsNamedBy,
  type Inkstream,
  type Mirror,
  type MirrorState,
  type MirrorStore,
  type StoredValue,
} from './mirrors.ts';
import { NewerVersion } from './store.ts';
import { expectDecoded } from './values.ts';

type Kind = 'M' | 'S';

const inkstreamKey = (document: DocumentName): Uint8Array => keyOf('M', document, '\0i');
const valueKey = (document: DocumentName): Uint8Array => keyOf('M', document, '\0v');
const stateKey = (document: DocumentName): Uint8Array => keyOf('S', document, '\0');

/** Between the kind and the byte that ends the name. */
const nameIn = (key: Uint8Array): string => Buffer.from(key.subarray(1, key.lastIndexOf(0))).toString('utf8');

const isSame = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0;

function mirrorOf(document: DocumentName, value: Uint8Array | undefined, inkstream: Uint8Array | undefined): Mirror | undefined {
  if (value === undefined) return undefined;
  const stored = expectDecoded(decodeMirrorValue(value), `the value of the mirror of document ${JSON.stringify(document)}`);
  const found = { value: stored, roomBytes: Infinity };
  if (inkstream === undefined) return { ...found, inkstream: undefined, guard: { kind: 'missing' } };
  const ours = inkstreamOf(document, inkstream);
  return ours === undefined
    ? { ...found, inkstream: undefined, guard: { kind: 'unreadable', bytes: inkstream } }
    : { ...found, inkstream: ours, guard: { kind: 'rev', rev: ours.rev } };
}

/** Undefined where it is nothing that we wrote. */
function inkstreamOf(document: DocumentName, bytes: Uint8Array): Inkstream | undefined {
  const decoded = decodeInkstream(bytes);
  switch (decoded.kind) {
    case 'decoded':
      return decoded.value;
    case 'unreadable':
      return undefined;
    case 'newer-version':
      throw new NewerVersion(describeRefusal(decoded, `the mirror of document ${JSON.stringify(document)}`));
  }
}

const stateOf = (document: DocumentName, bytes: Uint8Array | undefined): MirrorState | undefined =>
  bytes === undefined
    ? undefined
    : expectDecoded(decodeMirrorState(bytes), `the state of the mirror of document ${JSON.stringify(document)}`);

const putValue = (document: DocumentName, value: StoredValue): Write => ({
  key: valueKey(document),
  value: encodeMirrorValue(value),
});

/** Opens the mirrors that are kept in `environment`. Closing them leaves the environment open. */
export function openEmbeddedMirrors(environment: Environment): MirrorStore {
  const { attempt, close } = createEmbeddedCalls('the mirrors were closed');
  /** Makes the writes that `decide` returns for the mirror as it stands then; none where that is undefined. */
  const write = (
    document: DocumentName,
    decide: (mirror: Mirror | undefined) => readonly Write[] | undefined,
  ): Promise<boolean> =>
    attempt(() =>
      environment.commit((view) => {
        const writes = decide(standing(document, view));
        return { writes: writes ?? [], result: writes !== undefined };
      }),
    );
  const standing = (document: DocumentName, view: View): Mirror | undefined =>
    mirrorOf(document, view.get(valueKey(document)), view.get(inkstreamKey(document)));

  /** Both entries out of one view: a write in between would give the value of one mirror and the bookkeeping of another. */
  const readMirror = (document: DocumentName): Mirror | undefined => {
    let inkstream: Uint8Array | undefined;
    let value: Uint8Array | undefined;
    const valueAt = valueKey(document);
    for (const entry of environment.entries({ from: inkstreamKey(document), below: keyOf(valueAt, '\0') })) {
      if (isSame(entry.key, valueAt)) ({ value } = entry);
      else inkstream = entry.value;
    }
    return mirrorOf(document, value, inkstream);
  };

  const namesOf = function* (kind: Kind, after: DocumentName | undefined): Generator<string> {
    const from = after === undefined ? keyOf(kind) : keyOf(kind, after, '\x01');
    let last: string | undefined;
    for (const key of environment.keys({ from, below: keyOf(String.fromCodePoint((kind.codePointAt(0) ?? 0) + 1)) })) {
      const name = nameIn(key);
      if (name !== last) yield name;
      last = name;
    }
  };

  return {
    form: valueForm,
    readState: (document) => attempt(() => stateOf(document, environment.get(stateKey(document)))),
    writeState: (document, expected, state) =>
      attempt(() =>
        environment.commit((view) => {
          const key = stateKey(document);
          const isExpected = stateOf(document, view.get(key))?.rev === expected;
          return { writes: isExpected ? [{ key, value: encodeMirrorState(state) }] : [], result: isExpected };
        }),
      ),
    readMirror: (document) => attempt(() => readMirror(document)),
    writeBookkeeping: (document, guard, inkstream) =>
      write(document, (mirror) =>
        mirror !== undefined && holds(guard, mirror)
          ? [{ key: inkstreamKey(document), value: encodeInkstream(inkstream) }]
          : undefined,
      ),
    replaceMirror: (document, guard, replaced, { value, inkstream }) =>
      write(document, (mirror) =>
        mirror !== undefined && holds(guard, mirror) && sameValue(mirror.value, replaced)
          ? [putValue(document, value), { key: inkstreamKey(document), value: encodeInkstream(inkstream) }]
          : undefined,
      ),
    insertMirror: (document, { value, inkstream }) =>
      write(document, (mirror) =>
        mirror === undefined
          ? [putValue(document, value), { key: inkstreamKey(document), value: encodeInkstream(inkstream) }]
          : undefined,
      ),
    editValue: (document, seen, value) =>
      write(document, (mirror) => {
        if (seen === undefined || mirror === undefined) return seen === mirror ? [putValue(document, value)] : undefined;
        return holds(seen.guard, mirror) && sameValue(seen.value, mirror.value) ? [putValue(document, value)] : undefined;
      }),
    listNamedSnapshots: (document) =>
      attempt(() => {
        const bookkeeping = environment.get(inkstreamKey(document));
        const inkstream = bookkeeping === undefined ? undefined : inkstreamOf(document, bookkeeping);
        return snapshotsNamedBy(inkstream, stateOf(document, environment.get(stateKey(document))));
      }),
    listDocuments: (after, limit) => attempt(() => firstNames(namesOf('M', after), namesOf('S', after), limit)),
    close,
  };
}
