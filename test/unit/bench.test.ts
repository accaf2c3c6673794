import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { makeBase, makeKeystrokes, rootName, writerId } from '#test/bench/edits.ts';
import { readSections } from '#test/bench/sections.ts';
import { clientFrame, frameReader } from '#test/bench/websocket.ts';
import { emptyHistogram, mergeHistograms, quantile, record } from '#test/bench/histogram.ts';
import { writeReport } from '#test/bench/report.ts';
import { drawSchedule } from '#test/bench/typing.ts';
import { workloads } from '#test/bench/workloads.ts';

const base = makeBase(300);

const rangesOf = (update: Uint8Array): number[][] => {
  const { ranges, count } = readSections(update, 0);
  return Array.from({ length: count }, (_, section) => ranges.slice(section * 3, section * 3 + 3)).toSorted(
    ([a = 0], [b = 0]) => a - b,
  );
};

test('BE1: the keystrokes of several writers, in any mixture, make the base with all of them in it', () => {
  const doc = new Y.Doc();
  Y.applyUpdate(doc, base);
  const [first, second] = [makeKeystrokes(base, 0, 10, 40), makeKeystrokes(base, 1, 200, 40)];
  for (let edit = 0; edit < 40; edit++) {
    Y.applyUpdate(doc, second[edit] ?? new Uint8Array());
    Y.applyUpdate(doc, first[edit] ?? new Uint8Array());
  }
  expect(doc.getText(rootName).length).toBe(380);
  expect(doc.store.pendingStructs).toBeNull();
});

test('BE2: an edit is found in a frame of its own, in a merged one and in one that joined it with its neighbours', () => {
  const [first, second] = [makeKeystrokes(base, 0, 10, 30), makeKeystrokes(base, 1, 200, 30)];
  expect(rangesOf(first[7] ?? new Uint8Array())).toEqual([[writerId(0), 7, 8]]);
  const wanted = [
    [writerId(0), 0, 30],
    [writerId(1), 0, 30],
  ];
  const merged = Y.mergeUpdates([...second, ...first]);
  expect(rangesOf(merged)).toEqual(wanted);
  const doc = new Y.Doc();
  Y.applyUpdate(doc, base);
  const before = Y.encodeStateVector(doc);
  Y.applyUpdate(doc, merged);
  const joined = Y.encodeStateAsUpdate(doc, before);
  expect(joined.length).toBeLessThan(merged.length / 3);
  expect(rangesOf(joined)).toEqual(wanted);
});

test('BE2: a frame with anything but text in it is an error, not a wrong count', () => {
  const doc = new Y.Doc();
  doc.getMap('map').set('key', 1);
  expect(() => readSections(Y.encodeStateAsUpdate(doc), 0)).toThrow('content of kind 8');
});

/** Frames as a server sends them: the client's, less the mask. */
function serverFrame(opcode: number, payload: Uint8Array, final: boolean): Uint8Array {
  const head = [(final ? 0x80 : 0) | opcode];
  if (payload.length < 126) head.push(payload.length);
  else head.push(126, payload.length >> 8, payload.length & 0xff);
  return Uint8Array.from([...head, ...payload]);
}

test('BE3: the client reads messages however the stream is cut, out of one buffer used again and again, fragments joined, with pings between them', () => {
  const long = Uint8Array.from({ length: 400 }, (_, at) => at % 251);
  const stream = Buffer.concat([
    serverFrame(2, Uint8Array.of(1, 2, 3), true),
    serverFrame(2, long, true),
    serverFrame(2, new Uint8Array(0), true),
    serverFrame(2, long.subarray(0, 150), false),
    serverFrame(9, Uint8Array.of(7), true),
    serverFrame(0, long.subarray(150), true),
  ]);
  for (let piece = 1; piece <= stream.length; piece++) {
    const messages: number[][] = [];
    const read = frameReader((opcode, bytes, start, end) => messages.push([opcode, ...bytes.subarray(start, end)]));
    const shared = Buffer.alloc(piece);
    for (let at = 0; at < stream.length; at += piece) read(shared.fill(0), 0, stream.copy(shared, 0, at, at + piece));
    expect(messages).toEqual([[2, 1, 2, 3], [2, ...long], [2], [9, 7], [2, ...long]]);
  }
});

test('BE3: a frame of the client is masked and holds its payload', () => {
  for (const length of [0, 1, 125, 126, 70_000]) {
    const payload = Uint8Array.from({ length }, (_, at) => at % 256);
    const frame = clientFrame(payload);
    const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
    const mask = frame.subarray(head, head + 4);
    expect((frame[1] ?? 0) & 0x80).toBe(0x80);
    expect(frame.subarray(head + 4).map((byte, at) => byte ^ (mask[at % 4] ?? 0))).toEqual(Buffer.from(payload));
  }
});

test('BE4: every writer types once in each of its slots, and writers do not type in step', () => {
  const { times, turns } = drawSchedule(10, 50, 100, 1);
  for (let writer = 0; writer < 10; writer++) {
    const own = times.filter((_, at) => turns[at] === writer);
    expect([...own].map((time) => Math.floor(time / 100))).toEqual(Array.from({ length: 50 }, (_, slot) => slot));
  }
  expect(times).toEqual(times.toSorted());
  expect(new Set([...times].map((time) => time % 100)).size).toBeGreaterThan(450);
});

test('BE5: quantiles of merged histograms are right to 2 %', () => {
  const halves = [emptyHistogram(), emptyHistogram()] as const;
  for (let ms = 1; ms <= 1_000; ms++) record(halves[ms % 2 === 0 ? 0 : 1], ms / 10);
  const merged = mergeHistograms(halves);
  for (const share of [0.01, 0.5, 0.99, 1]) {
    const found = quantile(merged, share) ?? 0;
    expect(Math.abs(found - share * 100) / (share * 100)).toBeLessThan(0.02);
  }
  expect(quantile(emptyHistogram(), 0.5)).toBeUndefined();
});

test('BE6: a round whose generator did not keep up does not count, and what was lost is said', () => {
  const row = {
    server: 'floor',
    workload: 'W1',
    round: 1,
    cpuUs: 1_000,
    serverCpuShare: 0.1,
    p50Ms: 1,
    p99Ms: 2,
    besideCpuUs: {},
    acrossP50Ms: undefined,
    acrossP99Ms: undefined,
    savedP50Ms: undefined,
    savedP99Ms: undefined,
    lagSecondsMax: undefined,
    bytesPerConnection: undefined,
    bytesPerConnectionInAll: undefined,
    generator: undefined,
    foreignCpuShare: 0,
    invalid: [],
    complaints: [],
  } as const;
  const late = { ...row, round: 2, cpuUs: 9_000, invalid: ['edits written 30 ms late (p99)'] };
  const losing = { ...row, server: 'y-websocket', invalid: ['late'], complaints: ['3 deliveries missing'] } as const;
  const servers = [
    { name: 'y-websocket', title: '@y/websocket-server' },
    { name: 'floor', title: 'floor' },
  ] as const;
  const run = {
    date: '2026-01-01 00:00',
    commit: 'abc',
    machine: 'a machine',
    settings: { rounds: 2, seconds: 1, warmUpSeconds: 1, workers: 1 },
    proof: [],
    standalone: { servers, measurements: [row, late, losing] },
    cluster: undefined,
    rates: undefined,
    persister: undefined,
    leftOut: [],
  };
  const report = writeReport(run, workloads.slice(0, 1));
  expect(report).toContain('| **W1** CPU, µs an edit | 1,000† | 1,000 |');
  expect(report).toContain('* W1, y-websocket, round 1: 3 deliveries missing');
});
