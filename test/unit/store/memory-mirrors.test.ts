import { describe, expect, test } from 'vitest';

import type { JsonMap } from '#shared/document/json/value.ts';
import { createMemoryMirrors, createMirrorDisk } from '#shared/store/memory-mirrors.ts';
import { decodeValue, encodeValue } from '#shared/store/mirror-values.ts';
import { StoreUnavailable } from '#shared/store/store.ts';
import { mirrorsContract, oddValues, plainInkstream } from '#test/contract/mirrors.contract.ts';
import { mirrorRacesContract, throughDoor, withField } from '#test/contract/mirror-races.contract.ts';
import { nameOf } from '#test/contract/store.contract.ts';
import { settle } from '#test/harness/virtual-clock.ts';

mirrorsContract('memory', async () => {
  const disk = createMirrorDisk();
  let mirrors = createMemoryMirrors({ disk });
  return {
    mirrors,
    another: async () => createMemoryMirrors({ disk }),
    reopen: async () => {
      await mirrors.close();
      mirrors = createMemoryMirrors({ disk });
      return mirrors;
    },
    outside: async (document, value, inkstream) => {
      if (value === undefined) return void disk.mirrors.delete(document);
      const kept = inkstream === 'kept' ? disk.mirrors.get(document)?.inkstream : undefined;
      disk.mirrors.set(document, { value: encodeValue(value), inkstream: inkstream === 'forged' ? Uint8Array.of(1) : kept });
    },
    dispose: () => mirrors.close(),
  };
});

mirrorRacesContract('memory', 200, async () => {
  const disk = createMirrorDisk();
  const mirrors = [createMemoryMirrors({ disk }), createMemoryMirrors({ disk })] as const;
  return {
    mirrors,
    edits: [
      throughDoor(createMemoryMirrors({ disk })),
      async (document, field) => {
        const value = decodeValue(disk.mirrors.get(document)?.value ?? encodeValue(undefined));
        disk.mirrors.set(document, { value: encodeValue(withField(value as JsonMap, field)), inkstream: undefined });
      },
    ],
    dispose: async () => {},
  };
});

describe('MI25: the mirrors in memory do what a simulation wants', () => {
  const document = nameOf('a');
  const contents = { value: encodeValue(new Map()), inkstream: plainInkstream('one') };

  test('writes are announced before and after, and can fail there', async () => {
    const steps: string[] = [];
    const mirrors = createMemoryMirrors({
      step: (step, moment) => {
        steps.push(`${moment} ${step}`);
        if (moment === 'after') throw new StoreUnavailable('away');
      },
    });
    await expect(mirrors.insertMirror(document, contents)).rejects.toBeInstanceOf(StoreUnavailable);
    expect(await mirrors.readMirror(document)).toMatchObject(contents);
    expect(steps).toEqual(['before insertMirror', 'after insertMirror', 'before readMirror']);
  });

  test('what is crashed changes nothing and settles nothing', async () => {
    const disk = createMirrorDisk();
    const gate = Promise.withResolvers<void>();
    const mirrors = createMemoryMirrors({ disk, step: () => gate.promise });
    let settled = false;
    void mirrors.insertMirror(document, contents).finally(() => (settled = true));
    await settle();
    mirrors.crash();
    gate.resolve();
    await settle();
    expect(settled).toBe(false);
    expect(disk.mirrors.size).toBe(0);
  });
});

test('MI22: values have the bytes that they always had', () => {
  const value = new Map([['ü', [null, false, true, 1.5, 10n ** 20n, 'a', Uint8Array.of(7)]]]);
  const { bytes } = encodeValue(value);
  expect(Buffer.from(bytes).toString('hex')).toBe(
    '090102c3bc0807010203043ff80000000000000515313030303030303030303030303030303030303030060161070107',
  );
  for (const odd of oddValues) expect(encodeValue(decodeValue(encodeValue(odd)) as typeof odd)).toEqual(encodeValue(odd));
});
