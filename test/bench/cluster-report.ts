/** The part of the report that is about clusters: gateways side by side, the rates that they sustain, and the persister alone. */

import { latencyP99MsMax, type HighestRate } from './highest-rate.ts';
import type { PersisterMeasurement } from './persister-alone.ts';
import type { ServerKind } from './servers.ts';
import {
  atLeast,
  atMost,
  cellOf,
  faultsOf,
  markdown,
  medianOf,
  ratioTo,
  round,
  show,
  showPair,
  type Figure,
  type Line,
  type Section,
} from './table.ts';
import type { Workload } from './workloads.ts';

export type RunOfClusters = {
  readonly cluster: (Section & { readonly description: string }) | undefined;
  readonly rates:
    | { readonly servers: readonly Pick<ServerKind, 'name' | 'title'>[]; readonly found: readonly HighestRate[] }
    | undefined;
  readonly persister: PersisterMeasurement | undefined;
};

/** At most this many times what the other cluster takes; the second two are of W3, the last of its p99. */
const floorRatioMax = 1.25;
const hocuspocusCpuRatioMax = 0.5;
const hocuspocusP99RatioMax = 0.1;
const rateRatioMin = 3;
const recordsPerCpuSecondMin = 50_000;
const lagSecondsMax = 2;
const aimedAtTheirs = 'W3';

function linesOf({ servers, measurements }: Section, workload: string): Line[] {
  const cell = (server: (typeof servers)[number], figure: Figure) => cellOf(measurements, server.name, workload, figure);
  const pairs = (first: Figure, second: Figure): string[] =>
    servers.map((server) => showPair(cell(server, first), cell(server, second)));
  const theirs = (max: number): number | undefined => (workload === aimedAtTheirs ? max : undefined);
  return [
    [
      `**${workload}** gateways' CPU, µs an edit`,
      ...servers.map((server) => show(cell(server, 'cpuUs'))),
      ratioTo(measurements, workload, 'floor', 'cpuUs', floorRatioMax),
      ratioTo(measurements, workload, 'hocuspocus', 'cpuUs', theirs(hocuspocusCpuRatioMax)),
    ],
    [
      `${workload} latency p50 / p99, ms`,
      ...pairs('p50Ms', 'p99Ms'),
      ratioTo(measurements, workload, 'floor', 'p99Ms', undefined),
      ratioTo(measurements, workload, 'hocuspocus', 'p99Ms', theirs(hocuspocusP99RatioMax)),
    ],
    [`${workload} the same to the other gateway, ms`, ...pairs('acrossP50Ms', 'acrossP99Ms'), '', ''],
    [`${workload} saved p50 / p99, ms`, ...pairs('savedP50Ms', 'savedP99Ms'), '', ''],
    [`${workload} beside the gateways, µs an edit`, ...servers.map(({ name }) => besideOf(measurements, name, workload)), '', ''],
    [
      `${workload} longest lag of the store, s`,
      ...servers.map(({ name }) => (name === 'inkstream' ? lagOf(measurements, workload) : '')),
      '',
      '',
    ],
  ];
}

function lagOf(measurements: Section['measurements'], workload: string): string {
  const lag = cellOf(measurements, 'inkstream', workload, 'lagSecondsMax');
  if (lag === undefined || workload !== aimedAtTheirs) return show(lag);
  return `${atMost(lag.value, lagSecondsMax)}${lag.isValid ? '' : '†'}`;
}

/** What the gateways stand on, each by name. */
function besideOf(measurements: Section['measurements'], server: ServerKind['name'], workload: string): string {
  const own = measurements.filter((row) => row.server === server && row.workload === workload);
  const names = [...new Set(own.flatMap(({ besideCpuUs }) => Object.keys(besideCpuUs)))];
  return names.map((name) => `${name} ${show(medianOf(own, server, workload, (row) => row.besideCpuUs[name]))}`).join(', ');
}

/** Two gateways each. */
export function clusterPart({ cluster }: RunOfClusters, workloads: readonly Workload[]): string[] {
  if (cluster === undefined) return [];
  const header = ['', ...cluster.servers.map(({ title }) => title), '× floor', '× Hocuspocus'];
  const lines = workloads
    .filter(({ kind }) => kind === 'typing')
    .flatMap(({ name }) => linesOf(cluster, name))
    .filter((line) => line.slice(1).some(Boolean));
  return [
    '## Cluster',
    `Two gateways each, every document's people on both. ${cluster.description}. Inkstream makes every edit durable and acknowledges it; Hocuspocus keeps documents in memory alone; ` +
      'the floor appends and says nothing.',
    markdown(header, lines),
    faultsOf(cluster.measurements),
  ];
}

/** The highest rate of W3's kind that each cluster sustains. */
export function ratesPart({ rates }: RunOfClusters): string[] {
  if (rates === undefined) return [];
  const ours = rates.found.find(({ server }) => server === 'inkstream')?.sustained;
  const lines = rates.found.map(({ server, sustained, failed, trials }): Line => {
    const title = rates.servers.find(({ name }) => name === server)?.title ?? server;
    const why = trials.find(({ rate, isSustained }) => rate === failed && !isSustained)?.why.join('; ') ?? '';
    const isOther = server !== 'inkstream' && ours !== undefined && sustained !== undefined;
    const ratio = isOther ? ours / sustained : undefined;
    return [
      title,
      sustained === undefined ? 'none that was tried' : round(sustained),
      failed === undefined ? 'none that was tried' : `${round(failed)}: ${why}`,
      ratio === undefined ? '' : server === 'hocuspocus' ? atLeast(ratio, rateRatioMin) : ratio.toFixed(2),
    ];
  });
  return [
    '## The highest rate',
    `Of W3's kind, in edits a second, with p99 under ${latencyP99MsMax} ms and nothing lost, generator, broker and database on the same machine.`,
    markdown(['', 'sustained', 'failed', 'Inkstream × this'], lines),
  ];
}

/** One persister before a full topic. */
export function persisterPart({ persister }: RunOfClusters): string[] {
  if (persister === undefined) return [];
  const { records, documents, updateBytes, seconds, cpuSeconds, besideCpuSeconds, complaints } = persister;
  const beside = Object.entries(besideCpuSeconds).map(([name, used]) => `${name} ${round(used)}`);
  return [
    '## The persister alone',
    `${round(records)} records of ${updateBytes} bytes over ${round(documents)} documents.`,
    markdown(
      ['records a second of its CPU', 'records a second', 'its CPU, s', 'beside it, s of CPU'],
      [[atLeast(records / cpuSeconds, recordsPerCpuSecondMin), round(records / seconds), round(cpuSeconds), beside.join(', ')]],
    ),
    complaints.length === 0
      ? 'A gateway read documents back whole.'
      : `**What went wrong**\n\n${complaints.map((complaint) => `* ${complaint}`).join('\n')}`,
  ];
}
