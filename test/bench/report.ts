/** From measurements to one page: servers side by side, aims beside what was measured. */

import { clusterPart, persisterPart, ratesPart, type RunOfClusters } from './cluster-report.ts';
import type { Proof } from './proof.ts';
import {
  cellOf,
  faultsOf,
  markdown,
  percent,
  ratioTo,
  round,
  show,
  showPair,
  type Figure,
  type Line,
  type Measured,
  type Section,
} from './table.ts';
import type { Workload } from './workloads.ts';

export type Run = RunOfClusters & {
  readonly date: string;
  readonly commit: string;
  readonly machine: string;
  readonly settings: {
    readonly rounds: number;
    readonly seconds: number;
    readonly warmUpSeconds: number;
    readonly workers: number;
  };
  readonly proof: readonly Proof[];
  readonly standalone: Section | undefined;
  /** What was left out, and why. */
  readonly leftOut: readonly string[];
};

/** At most this many times what the other server takes. */
const floorRatioMax = 1.25;
const hocuspocusRatioMax = { typing: 0.6, opening: 0.1 } as const;
const idleBytesMax = 4_096;

function linesOf({ servers, measurements }: Section, workload: Workload): Line[] {
  const cells = (figure: Figure, scale?: number): string[] =>
    servers.map(({ name }) => show(cellOf(measurements, name, workload.name, figure), scale));
  const pairs = (first: Figure, second: Figure): string[] =>
    servers.map(({ name }) =>
      showPair(cellOf(measurements, name, workload.name, first), cellOf(measurements, name, workload.name, second)),
    );
  switch (workload.kind) {
    case 'typing':
      return [
        [
          `**${workload.name}** CPU, µs an edit`,
          ...cells('cpuUs'),
          ratioTo(measurements, workload.name, 'floor', 'cpuUs', floorRatioMax),
          ratioTo(measurements, workload.name, 'hocuspocus', 'cpuUs', hocuspocusRatioMax.typing),
        ],
        [`${workload.name} latency p50 / p99, ms`, ...pairs('p50Ms', 'p99Ms'), '', ''],
        [`${workload.name} saved p50 / p99, ms`, ...pairs('savedP50Ms', 'savedP99Ms'), '', ''],
      ];
    case 'opening':
      return [
        [
          `**${workload.name}** CPU, ms an opening`,
          ...cells('cpuUs', 0.001),
          ratioTo(measurements, workload.name, 'floor', 'cpuUs', undefined),
          ratioTo(measurements, workload.name, 'hocuspocus', 'cpuUs', hocuspocusRatioMax.opening),
        ],
        [`${workload.name} time to open p50 / p99, ms`, ...pairs('p50Ms', 'p99Ms'), '', ''],
      ];
    case 'idle': {
      const ours = cellOf(measurements, 'inkstream', workload.name, 'bytesPerConnection');
      const aim = ours === undefined ? '' : `${ours.value <= idleBytesMax ? '✓' : '✗'} (≤ 4 KB)`;
      return [
        [`**${workload.name}** memory, KB a connection`, ...cells('bytesPerConnection', 1 / 1_024), aim, ''],
        [`${workload.name} the same with the documents, KB`, ...cells('bytesPerConnectionInAll', 1 / 1_024), '', ''],
      ];
    }
  }
}

function standalonePart(section: Section, workloads: readonly Workload[]): string[] {
  const header = ['', ...section.servers.map(({ title }) => title), '× floor', '× Hocuspocus'];
  const lines = workloads.flatMap((workload) => linesOf(section, workload)).filter((line) => line.slice(1).some(Boolean));
  return [
    '## Standalone',
    'Inkstream makes every edit durable and acknowledges it; the others keep documents in memory alone.',
    markdown(header, lines),
    faultsOf(section.measurements),
  ];
}

function loadLine(where: string, row: Measured[number]): Line {
  const { generator } = row;
  return [
    `${where}${row.workload} ${row.server}, round ${row.round}`,
    row.cpuUs === undefined ? '' : round(row.cpuUs),
    percent(row.serverCpuShare),
    generator === undefined ? '' : round(generator.latenessP99Ms),
    generator?.cpuShares.map(percent).join(', ') ?? '',
    generator === undefined ? '' : round(generator.framesInPerSecond),
    percent(row.foreignCpuShare),
    [...row.invalid, ...row.complaints].join('; '),
  ];
}

function proofPart({ proof }: Run): string[] {
  if (proof.length === 0) return [];
  const lines = proof.map(({ workload, generator, invalid }) => [
    workload,
    round(generator.framesInPerSecond),
    round(generator.latenessP99Ms),
    generator.cpuShares.map(percent).join(', '),
    invalid.length === 0 ? 'kept up' : invalid.join('; '),
  ]);
  return [
    '## The load generator, proved beforehand',
    'On the floor with merging off, at one and a half times the rate: as many frames to read as the worst server could send.',
    markdown(['load', 'frames read a second', 'edits late p99, ms', 'CPU of each process', ''], lines),
  ];
}

function eachRunPart({ standalone, cluster }: Run): string[] {
  const rows = [
    ...(standalone?.measurements ?? []).map((row) => loadLine('', row)),
    ...(cluster?.measurements ?? []).map((row) => loadLine('cluster ', row)),
  ];
  const header = [
    'run',
    'CPU µs',
    'server',
    'edits late p99, ms',
    'generators',
    'frames read a second',
    'others on the machine',
    '',
  ];
  return rows.length === 0 ? [] : ['## Each run', markdown(header, rows)];
}

/** The page that is kept beside the figures it was made from. */
export function writeReport(run: Run, workloads: readonly Workload[]): string {
  const { rounds, seconds, warmUpSeconds, workers } = run.settings;
  return [
    `# Measured on ${run.date}`,
    `Commit ${run.commit}. ${run.machine}. Generated by \`make bench\`; what it means is in [README.md](../README.md).`,
    `Medians of ${rounds} rounds; windows of ${seconds} s after ${warmUpSeconds} s of warming up (twice that for a cluster); ${workers} generator processes on the same machine. ` +
      '† the generator did not keep up.',
    ...run.leftOut.map((what) => `Left out: ${what}.`),
    workloads.map(({ name, title }) => `* ${name}: ${title}`).join('\n'),
    ...(run.standalone === undefined ? [] : standalonePart(run.standalone, workloads)),
    ...clusterPart(run, workloads),
    ...ratesPart(run),
    ...persisterPart(run),
    ...proofPart(run),
    ...eachRunPart(run),
    '',
  ].join('\n\n');
}
