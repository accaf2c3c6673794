import * as encoding from 'lib0/encoding';
import { describe, expect, test } from 'vitest';
import * as Y from 'yjs';
import { defaultUpdateLimits, type UpdateLimits } from '#shared/document/limits.ts';
import { scanUpdate, startScan, weightOf, type Scanned } from '#shared/document/scan.ts';
import { hostileUpdate } from '#test/simulation/rooms/hostile.ts';
import { seeded } from '#test/simulation/rooms/random.ts';
import { bytesOf, scan, structs, update } from './updates.ts';

const refusal = (bytes: Uint8Array, limits: UpdateLimits = defaultUpdateLimits): string => {
  const scanned = scanUpdate(bytes, limits);
  if (!('refused' in scanned)) throw new Error('it was not refused');
  expect(Buffer.byteLength(scanned.refused)).toBeLessThanOrEqual(123);
  return scanned.refused;
};

const text = (encoder: encoding.Encoder, word: string): void => {
  encoding.writeUint8(encoder, 4);
  encoding.writeVarUint(encoder, 1);
  encoding.writeVarString(encoder, 't');
  encoding.writeVarString(encoder, word);
};

describe('refuses', () => {
  test.each([
    ['its origin is itself', '01010100840100016100'],
    ['its origin is later', '01010100840105016100'],
    ['its right origin is itself', '01010100440100016100'],
    ['its parent is itself', '010101000400010001610000'],
  ])('DO1: an item that refers to its own client at its own clock or later: %s', (_what, hex) => {
    expect(refusal(bytesOf(hex))).toMatch(/itself|later/u);
  });

  test.each([
    ['a deletion', '000101010000'],
    ['a GC range', '01010100000000'],
    ['a string', '01010100040101740000'],
    ['a skipped range', '010101000a0000'],
    ['deleted content', '01010100010101740000'],
    ['an array of nothing', '01010100080101740000'],
  ])('DO2: a length of zero: %s', (_what, hex) => {
    expect(refusal(bytesOf(hex))).toContain('length 0');
  });

  test('DO3: clients that do not strictly descend, and empty sections', () => {
    expect(refusal(bytesOf('0201010004010174016101020004010174016200'))).toContain('descend');
    expect(refusal(bytesOf('0201010004010174016101010004010174016200'))).toContain('descend');
    expect(refusal(bytesOf('0100010000'))).toContain('empty');
  });

  test('DO4: clocks and lengths past 2^31, and numbers that are none', () => {
    const gc = (clock: number, length: number): Uint8Array => update([[1, clock, (encoder) => structs.gc(encoder, length)]]);
    expect(scan(gc(2 ** 31 - 2, 2)).sections[0]?.end).toBe(2 ** 31);
    expect(refusal(gc(2 ** 31 - 1, 2))).toContain('2^31');
    expect(refusal(gc(0, 2 ** 40))).toContain('2^31');
    expect(refusal(update([], [[1, 2 ** 31, 1]]))).toContain('2^31');
    expect(refusal(bytesOf('01010180808080808080808080000000'))).toContain('too large');
    expect(refusal(bytesOf('ffffffffffffffffff01'))).toContain('too large');
  });

  test.each([
    ['the count of sections', '8100 01 01 00 04 01 01 74 01 61 00'],
    ['the count of structs', '01 8100 01 00 04 01 01 74 01 61 00'],
    ['a client', '01 01 8100 00 04 01 01 74 01 61 00'],
    ['a client of five bytes', '01 01 8180808000 00 04 01 01 74 01 61 00'],
    ['a first clock', '01 01 01 8000 04 01 01 74 01 61 00'],
    ['a parent', '01 01 01 00 04 8100 01 74 01 61 00'],
    ['the length of a name', '01 01 01 00 04 01 8100 74 01 61 00'],
    ['the length of a text', '01 01 01 00 04 01 01 74 8100 61 00'],
    ['an origin', '01 01 01 01 84 01 8000 01 61 00'],
    ['a range', '01 01 01 00 00 8100 00'],
    ['the count of values', '01 01 01 00 08 01 01 74 8100 7e 00'],
    ['a type', '01 01 01 00 07 01 01 74 8200 00'],
    ['the count of deletions', '00 8000'],
    ['the client of a deletion', '00 01 8100 01 00 01'],
    ['the length of a deletion', '00 01 01 01 00 8100'],
  ])('DO4: a number that is written longer than it has to be: %s', (_what, hex) => {
    expect(refusal(bytesOf(hex))).toContain('longer than it has to be');
    const short = hex.replaceAll(' ', '').replace(/8([0-9a-f])(?:80)*00/u, '0$1');
    expect('refused' in scanUpdate(bytesOf(short), defaultUpdateLimits)).toBe(false);
  });

  test('DO4: but no number as lib0 writes it, signed ones neither', () => {
    const numbers = [0, 63, 64, 127, 128, 8_191, 8_192, 16_384, 2 ** 21, 2 ** 28, 2 ** 31 - 1, 2 ** 35, 2 ** 53 - 1];
    const values = numbers.flatMap((number) => [number, -number, BigInt(number), number + 0.5]);
    for (const value of values) {
      const written = encoding.encode((encoder) => encoding.writeAny(encoder, value));
      expect(scan(update([[1, 0, (encoder) => structs.any(encoder, written)]])).sections, String(value)).toHaveLength(1);
    }
    for (const client of numbers) expect(scan(update([[client, 0, structs.text('a')]])).sections).toMatchObject([{ client }]);
  });

  test('DO5: what nests deeper than a reader can follow', () => {
    const json = (depth: number): Uint8Array =>
      update([[1, 0, (encoder) => structs.embed(encoder, `${'['.repeat(depth)}${']'.repeat(depth)}`)]]);
    const any = (depth: number): Uint8Array => update([[1, 0, (encoder) => structs.any(encoder, nested(depth))]]);
    for (const make of [json, any]) {
      expect(scan(make(60)).sections).toHaveLength(1);
      expect(refusal(make(70))).toContain('deep');
      expect(refusal(make(100_000))).toContain('deep');
    }
    const inString = update([[1, 0, (encoder) => structs.embed(encoder, JSON.stringify('['.repeat(1_000)))]]);
    expect(scan(inString).sections).toHaveLength(1);
  });

  test('DO5: too many subdocuments, structs or deletions', () => {
    const limits: UpdateLimits = { ...defaultUpdateLimits, structsPerUpdateMax: 10, subdocumentsPerUpdateMax: 3 };
    const subdocuments = (count: number): Uint8Array =>
      update([[1, 0, ...Array.from({ length: count }, () => structs.subdocument)]]);
    expect('refused' in scanUpdate(subdocuments(3), limits)).toBe(false);
    expect(refusal(subdocuments(4), limits)).toContain('subdocuments');
    const many = (count: number): Uint8Array =>
      update([[1, 0, ...Array.from({ length: count }, () => (encoder: encoding.Encoder) => structs.gc(encoder, 1))]]);
    expect('refused' in scanUpdate(many(10), limits)).toBe(false);
    expect(refusal(many(11), limits)).toContain('structs');
    const deletions = Array.from({ length: 11 }, (_, index): [number, number, number] => [1, index * 2, 1]);
    expect(refusal(update([], deletions), limits)).toContain('deletions');
  });

  test('DO6: bytes after the end, bytes that are missing, broken UTF-8', () => {
    expect(refusal(bytesOf('0101010004010174016100deadbeef'))).toContain('after its end');
    const whole = bytesOf('0101010004010174016100');
    for (let length = 0; length < whole.length; length++) expect(refusal(whole.subarray(0, length))).toContain('ends early');
    for (const broken of ['ff', 'c080', 'eda080', 'f4908080', 'e282', '80', 'c1bf', 'f08080a0']) {
      const size = (broken.length / 2).toString(16).padStart(2, '0');
      expect(refusal(bytesOf(`01010100040101 74 ${size} ${broken} 00`))).toContain('UTF-8');
    }
  });

  test('DO7: the same origin on both sides', () => {
    expect(refusal(bytesOf('01010201c4010001000161 00'))).toContain('both sides');
  });

  test('DO8: values that readers throw on', () => {
    for (const json of [
      '{',
      '',
      'undefined',
      '01',
      '1.',
      '.5',
      '"\\x"',
      '"\n"',
      '[1,]',
      '{"a"}',
      '{a:1}',
      'nul',
      '[]]',
      '1e',
      '-',
      '"\\u12g4"',
    ]) {
      expect(refusal(update([[1, 0, (encoder) => structs.embed(encoder, json)]])), json).toContain('JSON');
      expect(() => JSON.parse(json) as unknown).toThrow(SyntaxError);
    }
    for (const json of ['{}', ' [1 , -2.5e+10, "\\u00e9\\n", {"a":{"b":[true,false,null]}} ] ', '0', '-0.1', '""', '{"":[[]]}']) {
      expect(scan(update([[1, 0, (encoder) => structs.embed(encoder, json)]])).sections, json).toHaveLength(1);
      JSON.parse(json);
    }
    expect(refusal(bytesOf('010101000b01017400'))).toContain('nobody knows');
    expect(refusal(bytesOf('01010100070101740700'))).toContain('nobody knows');
    expect(refusal(bytesOf('010101000801017401 50 00'))).toContain('nobody knows');
    expect(refusal(bytesOf('01010100090101740161 7e 00'))).toContain('subdocument');
    expect(refusal(bytesOf('01010100090101740161 7601 0467756964 7e 00'))).toContain('subdocument');
    expect(refusal(bytesOf('010101004a0100'))).toContain('flags');
  });
});

function nested(depth: number): Uint8Array {
  const bytes = new Uint8Array(depth * 2 + 1).fill(1);
  for (let i = 0; i < depth; i++) bytes[i * 2] = 117;
  bytes[depth * 2] = 126;
  return bytes;
}

describe('the quadratic ones', () => {
  test('DO5: many unanchored items at one place are refused, whether a root, an item or a key', () => {
    const clients = Array.from({ length: 5_000 }, (_, index) => 5_000 - index);
    const at = (place: (encoder: encoding.Encoder, client: number) => void): Uint8Array =>
      update(clients.map((client) => [client, 0, (encoder: encoding.Encoder) => place(encoder, client)]));
    expect(refusal(at((encoder) => text(encoder, 'a')))).toContain('one place');
    const underItem = at((encoder, client) => {
      if (client === 5_000) return structs.type(encoder);
      encoding.writeUint8(encoder, 4);
      encoding.writeVarUint(encoder, 0);
      encoding.writeVarUint(encoder, 5_000);
      encoding.writeVarUint(encoder, 0);
      encoding.writeVarString(encoder, 'a');
    });
    expect(refusal(underItem)).toContain('one place');
    const key = (name: (client: number) => string): Uint8Array =>
      at((encoder, client) => {
        encoding.writeUint8(encoder, 8 | 32);
        encoding.writeVarUint(encoder, 1);
        encoding.writeVarString(encoder, 'm');
        encoding.writeVarString(encoder, name(client));
        encoding.writeVarUint(encoder, 1);
        encoding.writeAny(encoder, 1);
      });
    expect(refusal(key(() => 'k'))).toContain('one place');
    expect(scan(key((client) => `key ${client}`)).sections).toHaveLength(5_000);
  });
});

describe('honest updates', () => {
  test('DO10: a large tree of elements comes in at once, though every element begins with an unanchored child', () => {
    const document = new Y.Doc();
    const root = document.getXmlFragment('prosemirror');
    document.transact(() => {
      for (let i = 0; i < 5_000; i++) {
        const paragraph = new Y.XmlElement('paragraph');
        const item = new Y.XmlElement('listItem');
        item.setAttribute('indent', '1');
        const content = new Y.XmlText(`paragraph ${i}`);
        item.insert(0, [content]);
        paragraph.insert(0, [item]);
        root.push([paragraph]);
      }
    });
    const scanned = scan(Y.encodeStateAsUpdate(document));
    expect(scanned.sections).toHaveLength(1);
    expect(scanned.sections[0]?.structs).toBeGreaterThan(20_000);
  });

  test('DO10: what a scan finds is what Yjs decodes', () => {
    const document = new Y.Doc();
    document.clientID = 7;
    const updates: Uint8Array[] = [];
    document.on('update', (bytes) => updates.push(bytes));
    document.getText('t').insert(0, 'héllo 😀 wörld');
    document.getText('t').format(0, 3, { bold: true });
    document.getText('t').delete(2, 4);
    document.getMap('m').set('k', { a: [1, null, undefined, 2n, 1.5, new Uint8Array(3)] });
    document.getMap('m').set('k', new Y.Doc());
    document.getXmlFragment('x').insert(0, [new Y.XmlElement('p'), new Y.XmlText('x')]);
    document.getXmlFragment('x').delete(0, 1);
    updates.push(Y.encodeStateAsUpdate(document), Y.mergeUpdates(updates.filter((_, index) => index !== 1)));
    for (const bytes of updates) expectAsDecoded(scan(bytes), Y.decodeUpdate(bytes));
  });

  test('DO9: a scan in steps finds the same as one at once', () => {
    for (let seed = 1; seed < 300; seed++) {
      const bytes = hostileUpdate(seeded(seed), [1, 2, 3], () => 5, [], 'anywhere');
      const steps = startScan(bytes, defaultUpdateLimits);
      let result = steps.step(1);
      let count = 1;
      for (; result === undefined; count++) result = steps.step(1);
      expect(result).toEqual(scanUpdate(bytes, defaultUpdateLimits));
      expect(count).toBeLessThanOrEqual(bytes.length + 1);
      expect(steps.step(1)).toBe(result);
    }
  });

  test('DO27: what keeping an update costs is more than its bytes, and about what it takes in memory', () => {
    const letter = update([[1, 0, structs.text('a')]]);
    expect(weightOf(scan(letter)) - letter.length).toBeLessThan(200);
    const deletions = Array.from({ length: 1_000 }, (_, index): [number, number, number] => [1, index * 2, 1]);
    expect(weightOf(scan(update([], deletions)))).toBeGreaterThan(1_000 * 3 * 8);
    const referring = Array.from({ length: 1_000 }, (_, index) => structs.text('a', [2, index * 2]));
    expect(weightOf(scan(update([[1, 0, ...referring]])))).toBeGreaterThan(1_000 * (4 + 3) * 8);
    const gaps = Array.from({ length: 500 }, () => [structs.text('a'), (encoder: encoding.Encoder) => structs.skip(encoder, 1)]);
    expect(weightOf(scan(update([[1, 0, ...gaps.flat()]])))).toBeGreaterThan(500 * 100);
  });

  test('DO11: every refusal is short enough for a close frame', () => {
    const random = seeded(2);
    for (let i = 0; i < 2_000; i++) {
      const scanned = scanUpdate(
        Uint8Array.from({ length: random.integer(30) }, () => random.integer(256)),
        defaultUpdateLimits,
      );
      if ('refused' in scanned) expect(Buffer.byteLength(scanned.refused)).toBeLessThanOrEqual(123);
    }
  });

  test('DO9: no bytes make a scan throw; what it lets through, Yjs decodes', () => {
    const random = seeded(1);
    let sound = 0;
    for (let i = 0; i < 20_000; i++) {
      const bytes = hostileUpdate(random, [1, 2, 3], () => 5, [], 'anywhere');
      for (let flips = random.integer(4); flips > 0; flips--) bytes[random.integer(bytes.length)] = random.integer(256);
      const mangled = bytes.subarray(0, random.chance(0.2) ? random.integer(bytes.length) : bytes.length);
      const scanned = scanUpdate(mangled, defaultUpdateLimits);
      if ('refused' in scanned) continue;
      sound++;
      expectAsDecoded(scanned, Y.decodeUpdate(mangled));
    }
    expect(sound).toBeGreaterThan(1_000);
  });
});

function expectAsDecoded(scanned: Scanned, decoded: ReturnType<typeof Y.decodeUpdate>): void {
  const sections: { client: number; start: number; end: number; structs: number }[] = [];
  const gone: number[] = [];
  for (const struct of decoded.structs) {
    if (struct instanceof Y.Skip) continue;
    const { client, clock } = struct.id;
    const end = clock + struct.length;
    const last = sections.at(-1);
    if (last?.client === client && last.end === clock) Object.assign(last, { end, structs: last.structs + 1 });
    else sections.push({ client, start: clock, end, structs: 1 });
    const isGone = struct instanceof Y.GC || struct.content instanceof Y.ContentDeleted;
    if (isGone && gone.at(-3) === client && gone.at(-1) === clock) gone[gone.length - 1] = end;
    else if (isGone) gone.push(client, clock, end);
  }
  expect(scanned.sections.map(({ client, start, end, structs: count }) => ({ client, start, end, structs: count }))).toEqual(
    sections,
  );
  expect(scanned.gone).toEqual(gone);
  const deletions = [...decoded.ds.clients].flatMap(([client, ranges]) =>
    ranges.map(({ clock, len }) => [client, clock, clock + len]),
  );
  expect(scanned.deletions.length).toBe(deletions.length * 3);
  expect(new Set(triples(scanned.deletions))).toEqual(new Set(deletions.map(String)));
}

function triples(ranges: readonly number[]): string[] {
  const found: string[] = [];
  for (let i = 0; i < ranges.length; i += 3) found.push(String(ranges.slice(i, i + 3)));
  return found;
}
