import { expect, test } from 'vitest';
import * as Y from 'yjs';
import { clientFrame } from '#test/bench/websocket.ts';
import { makeBase, makeKeystrokes, rootName, writerId } from '#test/bench/edits.ts';
import { mergeFrames } from '#test/bench/floor.ts';
import { faultsOf } from '#test/bench/highest-rate.ts';
import { outgoing, readIncoming } from '#test/bench/dialects.ts';
import { makeMergedKeystrokes } from '#test/bench/persister-alone.ts';
import { gatewayOf, workerOf } from '#test/bench/plan.ts';
import { nextRate, resultOf, type SearchLimits, type Trial } from '#test/bench/rate-search.ts';
import { writeReport, type Run } from '#test/bench/report.ts';
import { readSections } from '#test/bench/sections.ts';
import { workloads } from '#test/bench/workloads.ts';

const count = (length: number, wanted: (index: number) => boolean): number =>
  Array.from({ length }, (_, index) => index).filter(wanted).length;

test('BE20: people and writers of a document are spread evenly over gateways, and so are the first ones of all documents', () => {
  for (const gateways of [1, 2, 3]) {
    for (const [documents, clients] of [
      [1, 100],
      [500, 4],
      [500, 1],
    ] as const) {
      for (let gateway = 0; gateway < gateways; gateway++) {
        const here = count(clients, (client) => gatewayOf(7, client, gateways) === gateway);
        expect(Math.abs(here - clients / gateways)).toBeLessThan(1);
        const firsts = count(documents, (document) => gatewayOf(document, 0, gateways) === gateway);
        expect(Math.abs(firsts - documents / gateways)).toBeLessThan(1);
      }
    }
  }
});

test('BE21: every client belongs to one generator, and every generator has people on every gateway of its documents', () => {
  for (const [documents, clients] of [
    [1, 100],
    [500, 4],
  ] as const) {
    for (const workers of [1, 2, 3]) {
      const ports = [1_000, 2_000];
      const seen = new Map<string, Set<number>>();
      for (let document = 0; document < documents; document++) {
        for (let client = 0; client < clients; client++) {
          const worker = workerOf({ documents, workers, ports }, document, client);
          expect(worker).toBeLessThan(workers);
          const key = `${document} ${worker}`;
          seen.set(key, (seen.get(key) ?? new Set()).add(gatewayOf(document, client, ports.length)));
        }
      }
      expect(new Set([...seen.keys()].map((key) => key.split(' ')[1])).size).toBe(workers);
      for (const gateways of seen.values()) expect(gateways.size).toBe(2);
    }
  }
});

const limits: SearchLimits = { first: 4_000, least: 250, most: 64_000, trialsMax: 12, ratioMax: 1.15 };

/** All rates that are tried where everything up to `capacity` is sustained. */
function search(capacity: number, within: SearchLimits = limits): readonly Trial[] {
  const trials: Trial[] = [];
  for (let rate = nextRate(trials, within); rate !== undefined; rate = nextRate(trials, within))
    trials.push({ rate, isSustained: rate <= capacity });
  return trials;
}

test('BE22: the search doubles, halves and takes the middle', () => {
  expect(search(10_000).map(({ rate }) => rate)).toEqual([4_000, 8_000, 16_000, 11_314, 9_514, 10_375]);
  expect(search(1_500).map(({ rate }) => rate)).toEqual([4_000, 2_000, 1_000, 1_414, 1_682, 1_542]);
});

test('BE22: the search ends close to what holds, at its bounds, and after its last trial', () => {
  for (const capacity of [251, 700, 3_999, 4_000, 5_123, 63_000]) {
    const { sustained = 0, failed = 0 } = resultOf(search(capacity));
    expect(sustained).toBeLessThanOrEqual(capacity);
    expect(failed).toBeGreaterThan(capacity);
    expect(failed / sustained).toBeLessThanOrEqual(limits.ratioMax);
  }
  expect(resultOf(search(Infinity))).toEqual({ sustained: 64_000, failed: undefined });
  expect(resultOf(search(0))).toEqual({ sustained: undefined, failed: 250 });
  expect(search(10_000, { ...limits, trialsMax: 4 })).toHaveLength(4);
});

test('BE23: a rate that held above one that failed was luck', () => {
  const trials = [
    { rate: 4_000, isSustained: true },
    { rate: 8_000, isSustained: true },
    { rate: 6_000, isSustained: false },
  ];
  expect(resultOf(trials)).toEqual({ sustained: 4_000, failed: 6_000 });
  expect(nextRate(trials, limits)).toBe(4_899);
});

test('BE24: a rate is sustained where readers wait less than 100 ms, nothing is lost and the generator kept up', () => {
  const fine = { p99Ms: 99, invalid: [], complaints: [] };
  expect(faultsOf(fine)).toEqual([]);
  expect(faultsOf({ ...fine, p99Ms: 100 })).toEqual(['p99 of 100 ms']);
  expect(faultsOf({ ...fine, p99Ms: undefined })).toEqual(['p99 of no ms']);
  expect(faultsOf({ ...fine, complaints: ['1 deliveries missing'], invalid: ['late'] })).toEqual([
    '1 deliveries missing',
    'late',
  ]);
});

/** What the payload of a client's frame is: the frame less head and mask. */
function payloadOf(frame: Uint8Array): Uint8Array {
  const head = frame.length - clientFrame(new Uint8Array(0)).length < 126 ? 2 : 4;
  const mask = frame.subarray(head, head + 4);
  return frame.slice(head + 4).map((byte, at) => byte ^ (mask[at % 4] ?? 0));
}

test('BE25: the floor makes one frame of those of a moment, and it brings all their edits', () => {
  const base = makeBase(300);
  const { update } = outgoing('y-websocket', 'a document');
  const frameOf = (bytes: Uint8Array | undefined): Uint8Array => payloadOf(update(bytes ?? new Uint8Array()));
  const [first, second] = [makeKeystrokes(base, 0, 10, 3), makeKeystrokes(base, 1, 200, 3)];
  const alone = frameOf(first[0]);
  expect(mergeFrames([alone])).toBe(alone);
  const merged = mergeFrames([frameOf(first[0]), frameOf(second[0]), frameOf(first[1])]);
  const incoming = readIncoming('y-websocket', merged, 0, merged.length);
  if (incoming.kind !== 'update') throw new Error(`the frame is a ${incoming.kind}`);
  const sections = readSections(merged, incoming.at);
  expect(sections.count).toBe(2);
  expect(sections.ranges.slice(0, 6)).toEqual([writerId(1), 0, 1, writerId(0), 0, 2]);
});

test('BE26: the records that the persister is measured on make a document of real keystrokes', () => {
  const updates = makeMergedKeystrokes(200);
  const doc = new Y.Doc();
  for (const update of updates) Y.applyUpdate(doc, update);
  expect(doc.getText(rootName).length).toBe(30 + 3 * 200);
  expect(doc.store.pendingStructs).toBeNull();
  for (const { length } of updates.slice(1)) expect(Math.abs(length - 60)).toBeLessThan(6);
});

const row = {
  server: 'inkstream',
  workload: 'W3',
  round: 1,
  cpuUs: 200,
  serverCpuShare: 0.1,
  besideCpuUs: { Kafka: 300, persister: 20 },
  p50Ms: 4,
  p99Ms: 20,
  acrossP50Ms: 5,
  acrossP99Ms: 21,
  savedP50Ms: 6,
  savedP99Ms: 22,
  lagSecondsMax: 1.5,
  bytesPerConnection: undefined,
  bytesPerConnectionInAll: undefined,
  generator: undefined,
  foreignCpuShare: 0,
  invalid: [],
  complaints: [],
} as const;
const ofOthers = { savedP50Ms: undefined, savedP99Ms: undefined, lagSecondsMax: undefined };
const servers = [
  { name: 'inkstream', title: 'Inkstream' },
  { name: 'hocuspocus', title: 'Hocuspocus with Redis' },
  { name: 'floor', title: 'floor with Kafka' },
] as const;
const run: Run = {
  date: '2026-01-01 00:00',
  commit: 'abc',
  machine: 'a machine',
  settings: { rounds: 1, seconds: 1, warmUpSeconds: 1, workers: 1 },
  proof: [],
  standalone: undefined,
  cluster: {
    description: 'One broker',
    servers,
    measurements: [
      row,
      { ...row, ...ofOthers, server: 'hocuspocus', cpuUs: 320, p99Ms: 400, besideCpuUs: { Redis: 5 } },
      { ...row, ...ofOthers, server: 'floor', cpuUs: 190, besideCpuUs: { Kafka: 310 } },
    ],
  },
  rates: undefined,
  persister: undefined,
  leftOut: ['Hocuspocus in a cluster (no redis-server on the PATH)'],
};

test("BE27: a cluster's report keeps the gateways apart from what they stand on, with ratios beside their aims", () => {
  const report = writeReport(run, workloads);
  expect(report).toContain("| **W3** gateways' CPU, µs an edit | 200 | 320 | 190 | 1.05 ✓ (≤ 1.25) | 0.63 ✗ (≤ 0.5) |");
  expect(report).toContain('| W3 latency p50 / p99, ms | 4.0 / 20 | 4.0 / 400 | 4.0 / 20 | 1.00 | 0.05 ✓ (≤ 0.1) |');
  expect(report).toContain('| W3 beside the gateways, µs an edit | Kafka 300, persister 20 | Redis 5.0 | Kafka 310 |  |  |');
  expect(report).toContain('| W3 longest lag of the store, s | 1.50 ✓ (≤ 2) |  |  |  |  |');
});

test('BE27: a ratio, and a lag, of a round in which the generator did not keep up is marked', () => {
  const cluster = run.cluster;
  if (cluster === undefined) throw new Error('there is no cluster');
  const late = cluster.measurements.map((each) => (each.server === 'inkstream' ? { ...each, invalid: ['late'] } : each));
  const report = writeReport({ ...run, cluster: { ...cluster, measurements: late } }, workloads);
  expect(report).toContain('| 200† | 320 | 190 | 1.05 ✓ (≤ 1.25)† | 0.63 ✗ (≤ 0.5)† |');
  expect(report).toContain('| 1.50 ✓ (≤ 2)† |');
});

test('BE27: a section that was not measured is not in the report, and what was left out is said', () => {
  const without = writeReport(run, workloads);
  expect(without).toContain('Left out: Hocuspocus in a cluster (no redis-server on the PATH).');
  for (const heading of ['## Standalone', '## The highest rate', '## The persister alone', '## The load generator'])
    expect(without).not.toContain(heading);
  const trial = (rate: number, isSustained: boolean) => ({ rate, isSustained, measured: undefined, why: ['p99 of 150 ms'] });
  const found = [
    { server: 'inkstream', sustained: 8_000, failed: 9_000, trials: [trial(8_000, true), trial(9_000, false)] },
    { server: 'hocuspocus', sustained: 2_000, failed: undefined, trials: [trial(2_000, true)] },
  ] as const;
  const persister = {
    records: 1_000_000,
    documents: 1_000,
    updateBytes: 60,
    seconds: 30,
    cpuSeconds: 25,
    besideCpuSeconds: { MongoDB: 12 },
    complaints: [],
  };
  const report = writeReport({ ...run, rates: { servers, found }, persister }, workloads);
  expect(report).toContain('| Inkstream | 8,000 | 9,000: p99 of 150 ms |  |');
  expect(report).toContain('| Hocuspocus with Redis | 2,000 | none that was tried | 4.0 ✓ (≥ 3.0) |');
  expect(report).toContain('| 40,000 ✗ (≥ 50,000) | 33,333 | 25 | MongoDB 12 |');
});
