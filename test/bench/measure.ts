/**
 * One measurement: one server, fresh, under one workload.
 *
 * CPU per edit is the server's CPU time by the kernel's account over a window in the middle of the typing, divided by the edits that it delivered in it: it
 * says what an edit costs whoever else uses the machine, which latency does not, and whether or not the server keeps up with what is typed. Every run also checks that all edits arrived everywhere, that
 * a fresh client reads them back, that each was confirmed where the server confirms, and that the generator kept to its schedule: a
 * server that is fast because it loses edits is said to be losing them.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { makeLargeDocument } from './edits.ts';
import { findLoss, holdsState, putDocument } from './fresh-client.ts';
import { startGenerators, type TypedTogether } from './generators.ts';
import { quantile } from './histogram.ts';
import { monotonicMs, type Plan } from './plan.ts';
import { machineCpuMs, treeCpuMs, treeResidentBytes } from './processes.ts';
import { makeDataDir, type RunningServer, type ServerKind, type ServerName, type StartOptions } from './servers.ts';
import type { IdleWorkload, OpeningWorkload, TypingWorkload, Workload } from './workloads.ts';

export type Settings = {
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly workers: number;
};

/** What is looked at in the server while the window lasts. */
export type Probe = {
  /** Before the window, while the server is busy already. */
  readonly prepare: (server: RunningServer) => Promise<void>;
  readonly begin: (server: RunningServer) => void;
  readonly end: (server: RunningServer, operations: () => number) => Promise<void>;
};

export type GeneratorReport = {
  readonly latenessP99Ms: number;
  /** CPU time by wall time of each generator process. */
  readonly cpuShares: readonly number[];
  readonly framesInPerSecond: number;
};

export type Measurement = {
  readonly server: ServerName;
  readonly workload: string;
  /** Of the server, per edit; per opening in an opening workload. */
  readonly cpuUs: number | undefined;
  readonly serverCpuShare: number | undefined;
  /** Of what the server stands on, by name, per edit. */
  readonly besideCpuUs: Readonly<Record<string, number>>;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  /** Of readers on another gateway than the writer. */
  readonly acrossP50Ms: number | undefined;
  readonly acrossP99Ms: number | undefined;
  readonly savedP50Ms: number | undefined;
  readonly savedP99Ms: number | undefined;
  /** The longest that what was acknowledged was not stored yet, in seconds. */
  readonly lagSecondsMax: number | undefined;
  /** What one more idle connection to an open document takes; and the same with the documents and the process's own warming up. */
  readonly bytesPerConnection: number | undefined;
  readonly bytesPerConnectionInAll: number | undefined;
  readonly generator: GeneratorReport | undefined;
  /** CPU that processes which are no part of this used meanwhile, in cores. */
  readonly foreignCpuShare: number | undefined;
  /** What makes the row's CPU worth nothing: the generator did not keep up. */
  readonly invalid: readonly string[];
  /** What the server did wrong. */
  readonly complaints: readonly string[];
};

const latenessP99MsMax = 10;
const generatorCpuShareMax = 0.85;
const documentsChecked = 20;
const openingMax = 64;
const settleMs = 3_000;
const lagSampleMs = 250;

const nothing = {
  cpuUs: undefined,
  serverCpuShare: undefined,
  besideCpuUs: {},
  p50Ms: undefined,
  p99Ms: undefined,
  acrossP50Ms: undefined,
  acrossP99Ms: undefined,
  savedP50Ms: undefined,
  savedP99Ms: undefined,
  lagSecondsMax: undefined,
  bytesPerConnection: undefined,
  bytesPerConnectionInAll: undefined,
  generator: undefined,
  foreignCpuShare: undefined,
  invalid: [],
  complaints: [],
} as const;

type PlanParts = Pick<Plan, 'documents' | 'clientsPerDocument'> & Partial<Plan>;

function makePlan(server: RunningServer, settings: Settings, parts: PlanParts): Omit<Plan, 'worker'> {
  const { dialect, pathPrefix, pathSuffix } = server.kind;
  const rest = { writersPerDocument: 0, editsPerSecond: 1, editsPerWriter: 0, baseCharacters: 0, seed: 1, openingMax };
  return { dialect, pathPrefix, pathSuffix, ports: server.ports, workers: settings.workers, ...rest, ...parts };
}

async function withServer<Result>(
  kind: ServerKind,
  options: Omit<StartOptions, 'dataDir'>,
  measure: (server: RunningServer) => Promise<Result>,
): Promise<Result> {
  const dataDir = makeDataDir();
  const server = await kind.start({ ...options, dataDir: dataDir.path });
  try {
    return await measure(server);
  } finally {
    await server.stop();
    dataDir.remove();
  }
}

function judgeRun(typed: TypedTogether, windowMs: number): { readonly report: GeneratorReport; readonly invalid: string[] } {
  const report = {
    latenessP99Ms: quantile(typed.lateness, 0.99) ?? Number.NaN,
    cpuShares: typed.cpuMsEach.map((cpuMs) => cpuMs / windowMs),
    framesInPerSecond: (typed.framesIn / windowMs) * 1_000,
  };
  const invalid: string[] = [];
  if (!(report.latenessP99Ms <= latenessP99MsMax)) invalid.push(`edits written ${report.latenessP99Ms.toFixed(0)} ms late (p99)`);
  const busiest = Math.max(...report.cpuShares);
  if (busiest > generatorCpuShareMax) invalid.push(`generator at ${(busiest * 100).toFixed(0)} % of a core`);
  return { report, invalid };
}

async function findComplaints(server: RunningServer, plan: Omit<Plan, 'worker'>, typed: TypedTogether): Promise<string[]> {
  const complaints: string[] = [];
  if (typed.missing > 0) complaints.push(`${typed.missing} deliveries missing`);
  if (typed.gaps > 0) complaints.push(`${typed.gaps} gaps`);
  if (typed.settled !== typed.settledExpected) complaints.push(`${typed.settled} of ${typed.settledExpected} frames confirmed`);
  if (server.kind.isDurable && typed.settledExpected === 0) complaints.push('nothing was acknowledged');
  if (!server.kind.keepsDocuments) return complaints;
  const step = Math.max(1, Math.floor(plan.documents / documentsChecked));
  for (let document = 0; document < plan.documents; document += step) {
    for (const gateway of server.ports.keys()) {
      const loss = await findLoss({ server, document, gateway }, plan);
      if (loss !== undefined) complaints.push(server.ports.length === 1 ? loss : `${loss} on gateway ${gateway + 1}`);
    }
  }
  return complaints;
}

export async function measureTyping(
  kind: ServerKind,
  workload: TypingWorkload,
  settings: Settings,
  options: { readonly probe?: Probe; readonly environment?: Readonly<Record<string, string>> } = {},
): Promise<Measurement> {
  const start = { instrumented: options.probe !== undefined, environment: options.environment ?? {} };
  return withServer(kind, start, async (server) => {
    const windowMs = settings.seconds * 1_000;
    const editsPerWriter = Math.ceil((settings.warmUpSeconds + settings.seconds) * workload.editsPerSecond);
    const plan = makePlan(server, settings, { ...workload, editsPerWriter });
    const generators = await startGenerators(plan);
    try {
      await generators.seed();
      await generators.open();
      const at = monotonicMs() + 500;
      const from = at + settings.warmUpSeconds * 1_000;
      const typing = generators.type(at, from, from + windowMs);
      const load = await observe(server, from, windowMs, options.probe, () =>
        Math.round(editsPerSecondOf(workload) * settings.seconds),
      );
      const typed = await typing;
      const { report, invalid } = judgeRun(typed, windowMs);
      // Each edit is delivered to everyone in its document but its writer.
      const delivered = typed.pairsInWindow / (workload.clientsPerDocument - 1);
      const ownCpuMs = load.serverCpuMs + sumOf([...typed.cpuMsEach, ...Object.values(load.besideCpuMs)], (cpuMs) => cpuMs);
      return {
        ...nothing,
        server: kind.name,
        workload: workload.name,
        cpuUs: delivered > 0 ? (load.serverCpuMs * 1_000) / delivered : undefined,
        serverCpuShare: load.serverCpuMs / windowMs,
        besideCpuUs: mapValues(load.besideCpuMs, (cpuMs) => (cpuMs * 1_000) / delivered),
        p50Ms: quantile(typed.latency, 0.5),
        p99Ms: quantile(typed.latency, 0.99),
        acrossP50Ms: quantile(typed.latencyAcross, 0.5),
        acrossP99Ms: quantile(typed.latencyAcross, 0.99),
        savedP50Ms: kind.isDurable ? quantile(typed.settling, 0.5) : undefined,
        savedP99Ms: kind.isDurable ? quantile(typed.settling, 0.99) : undefined,
        lagSecondsMax: load.lagSecondsMax,
        generator: report,
        foreignCpuShare: Math.max(0, load.machineCpuMs - ownCpuMs) / windowMs,
        invalid,
        complaints: await findComplaints(server, plan, typed),
      };
    } finally {
      await generators.quit();
    }
  });
}

const editsPerSecondOf = (workload: TypingWorkload): number =>
  workload.documents * workload.writersPerDocument * workload.editsPerSecond;

const sumOf = <Item>(items: readonly Item[], figure: (item: Item) => number): number =>
  items.reduce((sum, item) => sum + figure(item), 0);

const mapValues = (record: Readonly<Record<string, number>>, change: (value: number, key: string) => number) =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value, key)]));

type Load = {
  readonly serverCpuMs: number;
  readonly besideCpuMs: Readonly<Record<string, number>>;
  readonly machineCpuMs: number;
  readonly lagSecondsMax: number | undefined;
};

/** What the server, what it stands on, and the whole machine used in the window. */
async function observe(
  server: RunningServer,
  from: number,
  windowMs: number,
  probe: Probe | undefined,
  operations: () => number,
): Promise<Load> {
  const read = () => ({
    server: sumOf(server.pids, treeCpuMs),
    beside: mapValues(server.beside, treeCpuMs),
    machine: machineCpuMs(),
  });
  await probe?.prepare(server);
  await wait(from - monotonicMs());
  probe?.begin(server);
  const before = read();
  const lagSecondsMax = await watchLag(server, from + windowMs);
  await wait(from + windowMs - monotonicMs());
  const after = read();
  await probe?.end(server, operations);
  return {
    serverCpuMs: after.server - before.server,
    besideCpuMs: mapValues(after.beside, (cpuMs, name) => cpuMs - (before.beside[name] ?? 0)),
    machineCpuMs: after.machine - before.machine,
    lagSecondsMax,
  };
}

/** The longest lag that was seen until `until`. */
async function watchLag({ lagSeconds }: RunningServer, until: number): Promise<number | undefined> {
  if (lagSeconds === undefined) return undefined;
  let longest = 0;
  while (monotonicMs() + lagSampleMs < until) {
    longest = Math.max(longest, await lagSeconds());
    await wait(lagSampleMs);
  }
  return longest;
}

/** Starts a server that has the large document stored and not loaded. */
async function startSeeded(
  kind: ServerKind,
  dataDir: string,
  large: ReturnType<typeof makeLargeDocument>,
  instrumented: boolean,
): Promise<RunningServer> {
  if (kind.seeding === 'file') {
    const seedFile = join(dataDir, 'document.bin');
    writeFileSync(seedFile, large.whole);
    return kind.start({ dataDir, seedFile, instrumented });
  }
  const first = await kind.start({ dataDir });
  await putDocument(first, 0, large.parts);
  await first.stop();
  return kind.start({ dataDir, instrumented });
}

export async function measureOpening(
  kind: ServerKind,
  workload: OpeningWorkload,
  settings: Settings,
  options: { readonly probe?: Probe } = {},
): Promise<Measurement> {
  const large = makeLargeDocument(workload.documentBytes);
  const dataDir = makeDataDir();
  const server = await startSeeded(kind, dataDir.path, large, options.probe !== undefined);
  try {
    const plan = makePlan(server, settings, { documents: 1, clientsPerDocument: workload.clients, openingMax: workload.clients });
    const generators = await startGenerators(plan);
    try {
      await options.probe?.prepare(server);
      options.probe?.begin(server);
      const before = sumOf(server.pids, treeCpuMs);
      const opened = await generators.open(monotonicMs() + 200);
      await wait(500);
      const cpuMs = sumOf(server.pids, treeCpuMs) - before;
      await options.probe?.end(server, () => workload.clients);
      const complaints = opened.bytesMin < workload.documentBytes / 4 ? [`a Step2 of ${opened.bytesMin} bytes`] : [];
      if (kind.keepsDocuments && !(await holdsState(server, 0, large.whole)))
        complaints.push('a fresh client reads another document');
      return {
        ...nothing,
        server: kind.name,
        workload: workload.name,
        cpuUs: (cpuMs * 1_000) / workload.clients,
        p50Ms: quantile(opened.opening, 0.5),
        p99Ms: quantile(opened.opening, 0.99),
        complaints,
      };
    } finally {
      await generators.quit();
    }
  } finally {
    await server.stop();
    dataDir.remove();
  }
}

async function residentBytes(server: RunningServer): Promise<number> {
  await wait(settleMs);
  await server.ask('collect');
  return sumOf(server.pids, treeResidentBytes);
}

async function measureIdle(kind: ServerKind, workload: IdleWorkload, settings: Settings): Promise<Measurement> {
  return withServer(kind, { instrumented: true }, async (server) => {
    const clientsPerDocument = 1 + workload.connections / workload.documents;
    const generators = await startGenerators(makePlan(server, settings, { ...workload, clientsPerDocument }));
    try {
      const empty = await residentBytes(server);
      await generators.seed();
      const loaded = await residentBytes(server);
      await generators.open();
      const full = await residentBytes(server);
      return {
        ...nothing,
        server: kind.name,
        workload: workload.name,
        bytesPerConnection: (full - loaded) / workload.connections,
        bytesPerConnectionInAll: (full - empty) / (workload.connections + workload.documents),
      };
    } finally {
      await generators.quit();
    }
  });
}

/** Measures whatever the workload is. */
export function measure(kind: ServerKind, workload: Workload, settings: Settings): Promise<Measurement> {
  switch (workload.kind) {
    case 'typing':
      return measureTyping(kind, workload, settings);
    case 'opening':
      return measureOpening(kind, workload, settings);
    case 'idle':
      return measureIdle(kind, workload, settings);
  }
}
