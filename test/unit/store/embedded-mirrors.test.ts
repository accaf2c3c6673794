import { describe, expect, test } from 'vitest';
import { openEnvironment } from '#shared/runtime/lmdb.ts';
import { keyOf } from '#shared/runtime/key.ts';
import type { Decoded } from '#shared/runtime/stored-kind.ts';
import {
  decodeInkstream,
  decodeMirrorState,
  decodeMirrorValue,
  encodeInkstream,
  encodeMirrorState,
  encodeMirrorValue,
} from '#shared/store/embedded-mirror-values.ts';
import { openEmbeddedMirrors } from '#shared/store/embedded-mirrors.ts';
import { encodeValue } from '#shared/store/mirror-values.ts';
import { NewerVersion, StoreCorrupt, StoreUnavailable } from '#shared/store/store.ts';
import { fullInkstream, mirrorsContract, oddValues, plainInkstream, stateOf } from '#test/contract/mirrors.contract.ts';
import { mirrorRacesContract, throughDoor } from '#test/contract/mirror-races.contract.ts';
import { nameOf } from '#test/contract/store.contract.ts';
import { temporaryDirectory } from '#test/harness/temporary-directory.ts';

mirrorsContract('embedded', async () => {
  const directory = temporaryDirectory();
  const open = async () => {
    const environment = await openEnvironment({ directory: directory.path, commitIntervalMs: 0 });
    return { environment, mirrors: openEmbeddedMirrors(environment) };
  };
  let opened = await open();
  const close = async (): Promise<void> => {
    await opened.mirrors.close();
    await opened.environment.close();
  };
  return {
    mirrors: opened.mirrors,
    another: async () => openEmbeddedMirrors(opened.environment),
    reopen: async () => {
      await close();
      opened = await open();
      return opened.mirrors;
    },
    outside: (document, value, inkstream) =>
      opened.environment.commit(() => {
        const stored = value === undefined ? undefined : encodeMirrorValue(encodeValue(value));
        const forged = inkstream === 'forged' ? Buffer.from('forged') : undefined;
        const field = { key: keyOf('M', document, '\0i'), value: forged };
        const writes = [{ key: keyOf('M', document, '\0v'), value: stored }, ...(inkstream === 'kept' ? [] : [field])];
        return { writes, result: undefined };
      }),
    dispose: async () => {
      await close();
      directory.remove();
    },
  };
});

mirrorRacesContract('embedded', 200, async () => {
  const directory = temporaryDirectory();
  const environment = await openEnvironment({ directory: directory.path, commitIntervalMs: 0 });
  const open = () => openEmbeddedMirrors(environment);
  return {
    mirrors: [open(), open()],
    edits: [throughDoor(open())],
    dispose: async () => {
      await environment.close();
      directory.remove();
    },
  };
});

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const text = (words: string): string => hex(Buffer.concat([Buffer.of(Buffer.byteLength(words)), Buffer.from(words)]));
const version = (rev: string, upto: string, intent = '00', omitted = '00'): string =>
  [
    text(rev),
    text(`before ${rev}`),
    upto,
    text('a'.repeat(64)),
    intent,
    omitted,
    text('b'.repeat(64)),
    text('c'.repeat(64)),
  ].join('');

describe('EM1: what is stored of mirrors has one form, a kind and a version', () => {
  const refused = { bytes: Uint8Array.of(1) };
  const cases: readonly {
    readonly name: string;
    readonly value: unknown;
    readonly encoded: Uint8Array;
    readonly golden: string;
    readonly decode: (bytes: Uint8Array) => Decoded<unknown>;
  }[] = [
    {
      name: 'bookkeeping',
      value: plainInkstream('r1'),
      encoded: encodeInkstream(plainInkstream('r1')),
      golden: `f62601${version('r1', '07')}000000`,
      decode: decodeInkstream,
    },
    {
      name: 'bookkeeping with everything in it',
      value: fullInkstream('r2', refused),
      encoded: encodeInkstream(fullInkstream('r2', refused)),
      golden: [
        `f62601${version('r2', '07', `010300ff01${text('d'.repeat(64))}`, `01${text('too large: "ä 🦊"')}`)}`,
        '02000003010203ffffffffffffff0f',
        `02${text('not an object')}4278bcfe56800000010101${text('too large')}000000000000000000`,
        `02${text('map.file: bytes')}00`,
      ].join(''),
      decode: decodeInkstream,
    },
    {
      name: 'value',
      value: encodeValue(new Map<string, string | number>([['2', 'two'], ['1', 1]])), // prettier-ignore
      encoded: encodeMirrorValue(encodeValue(new Map<string, string | number>([['2', 'two'], ['1', 1]]))), // prettier-ignore
      golden: 'f62a011409020132060374776f0131043ff0000000000000',
      decode: decodeMirrorValue,
    },
    {
      name: 'state',
      value: stateOf('r3'),
      encoded: encodeMirrorState(stateOf('r3')),
      golden: [
        `f62701${text('r3')}${version('r3 before', '07')}${version('r3 next', '09', `010109${text('e'.repeat(64))}`)}`,
        `0207${text('a'.repeat(64))}01010508000000`,
      ].join(''),
      decode: decodeMirrorState,
    },
  ];

  test.each(cases)('$name', ({ value, encoded, golden, decode }) => {
    expect(hex(encoded)).toBe(golden);
    expect(decode(encoded)).toEqual({ kind: 'decoded', value });
    const newer = Buffer.from(encoded);
    newer[2] = 9;
    expect(decode(newer).kind).toBe('newer-version');
    for (let bytes = 0; bytes < encoded.byteLength; bytes++) expect(decode(encoded.subarray(0, bytes)).kind).toBe('unreadable');
  });

  test('odd values', () => {
    for (const value of oddValues) {
      const stored = encodeValue(value);
      expect(decodeMirrorValue(encodeMirrorValue(stored))).toEqual({ kind: 'decoded', value: stored });
    }
  });
});

test('EM2: what a newer version wrote of a mirror stops its reader, what is broken is an error, and a closed directory is a store that is away', async () => {
  const directory = temporaryDirectory();
  const environment = await openEnvironment({ directory: directory.path, commitIntervalMs: 0 });
  const mirrors = openEmbeddedMirrors(environment);
  const put = (key: Uint8Array, value: string): Promise<void> =>
    environment.commit(() => ({ writes: [{ key, value: Buffer.from(value, 'hex') }], result: undefined }));
  const [newer, broken] = [nameOf('newer'), nameOf('broken')];
  await put(keyOf('M', newer, '\0v'), 'f62a010100');
  await put(keyOf('M', newer, '\0i'), 'f62602');
  await put(keyOf('M', broken, '\0v'), '00');
  await put(keyOf('S', newer, '\0'), 'f62702');
  await put(keyOf('S', broken, '\0'), 'f62701');
  await expect(mirrors.readMirror(newer)).rejects.toBeInstanceOf(NewerVersion);
  await expect(mirrors.readState(newer)).rejects.toBeInstanceOf(NewerVersion);
  await expect(mirrors.writeState(newer, undefined, stateOf('r1'))).rejects.toBeInstanceOf(NewerVersion);
  await expect(mirrors.readMirror(broken)).rejects.toBeInstanceOf(StoreCorrupt);
  await expect(mirrors.readState(broken)).rejects.toBeInstanceOf(StoreCorrupt);
  await environment.close();
  await expect(mirrors.readMirror(newer)).rejects.toBeInstanceOf(StoreUnavailable);
  await expect(mirrors.writeState(newer, undefined, stateOf('r1'))).rejects.toBeInstanceOf(StoreUnavailable);
  directory.remove();
});
