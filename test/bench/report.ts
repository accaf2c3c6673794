/** From measurements to one table: medians over the rounds, servers side by side, aims beside what was measured. */

import { median } from './histogram.ts';
import type { Measurement } from './measure.ts';
import type { Proof } from './proof.ts';
import type { ServerKind, ServerName } from './servers.ts';
import type { Workload } from './workloads.ts';

export type Run = {
  readonly date: string;
  readonly commit: string;
  readonly machine: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly settings: {
    readonly rounds: number;
    readonly seconds: number;
    readonly warmUpSeconds: number;
    readonly workers: number;
  };
  readonly proof: readonly Proof[];
  readonly measurements: readonly (Measurement & { readonly round: number })[];
};

type Figure = keyof {
  [Key in keyof Measurement as Measurement[Key] extends number | undefined ? Key : never]: true;
};

/** At most this many times what the other server takes. */
const floorRatioMax = 1.25;
const hocuspocusRatioMax = { typing: 0.6, opening: 0.1 } as const;
const idleBytesMax = 4_096;

type Cell = { readonly value: number; readonly isValid: boolean };

/** The median of the rounds in which the generator kept up; of all rounds, and not valid, where it never did. */
function cellOf(run: Run, server: ServerName, workload: string, figure: Figure): Cell | undefined {
  const rows = run.measurements.filter((row) => row.server === server && row.workload === workload && row[figure] !== undefined);
  const valid = rows.filter((row) => row.invalid.length === 0);
  const values = (valid.length > 0 ? valid : rows).map((row) => row[figure] ?? Number.NaN);
  return values.length === 0 ? undefined : { value: median(values), isValid: valid.length > 0 };
}

const round = (value: number): string => (value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(2));
const show = (cell: Cell | undefined, scale = 1): string =>
  cell === undefined ? '' : `${round(cell.value * scale)}${cell.isValid ? '' : '†'}`;

function verdict(ratio: number, max: number): string {
  return `${ratio.toFixed(2)} ${ratio <= max ? '✓' : '✗'} (≤ ${max})`;
}

function ratioTo(run: Run, workload: string, other: ServerName, max: number | undefined): string {
  const ours = cellOf(run, 'inkstream', workload, 'cpuUs');
  const theirs = cellOf(run, other, workload, 'cpuUs');
  if (ours === undefined || theirs === undefined) return '';
  const ratio = ours.value / theirs.value;
  return max === undefined ? ratio.toFixed(2) : verdict(ratio, max);
}

type Line = readonly string[];

function linesOf(run: Run, workload: Workload, servers: readonly ServerKind[]): Line[] {
  const cells = (figure: Figure, scale?: number): string[] =>
    servers.map(({ name }) => show(cellOf(run, name, workload.name, figure), scale));
  const pairs = (first: Figure, second: Figure): string[] =>
    servers.map(({ name }) => {
      const [a, b] = [cellOf(run, name, workload.name, first), cellOf(run, name, workload.name, second)];
      return a === undefined ? '' : `${show(a)} / ${show(b)}`;
    });
  switch (workload.kind) {
    case 'typing':
      return [
        [
          `**${workload.name}** CPU, µs an edit`,
          ...cells('cpuUs'),
          ratioTo(run, workload.name, 'floor', floorRatioMax),
          ratioTo(run, workload.name, 'hocuspocus', hocuspocusRatioMax.typing),
        ],
        [`${workload.name} latency p50 / p99, ms`, ...pairs('p50Ms', 'p99Ms'), '', ''],
        [`${workload.name} saved p50 / p99, ms`, ...pairs('savedP50Ms', 'savedP99Ms'), '', ''],
      ];
    case 'opening':
      return [
        [
          `**${workload.name}** CPU, ms an opening`,
          ...cells('cpuUs', 0.001),
          ratioTo(run, workload.name, 'floor', undefined),
          ratioTo(run, workload.name, 'hocuspocus', hocuspocusRatioMax.opening),
        ],
        [`${workload.name} time to open p50 / p99, ms`, ...pairs('p50Ms', 'p99Ms'), '', ''],
      ];
    case 'idle': {
      const ours = cellOf(run, 'inkstream', workload.name, 'bytesPerConnection');
      const aim = ours === undefined ? '' : `${ours.value <= idleBytesMax ? '✓' : '✗'} (≤ 4 KB)`;
      return [
        [`**${workload.name}** memory, KB a connection`, ...cells('bytesPerConnection', 1 / 1_024), aim, ''],
        [`${workload.name} the same with the documents, KB`, ...cells('bytesPerConnectionInAll', 1 / 1_024), '', ''],
      ];
    }
  }
}

const markdown = (header: Line, lines: readonly Line[]): string =>
  [header, header.map((_, column) => (column === 0 ? '---' : '---:')), ...lines]
    .map((line) => `| ${line.join(' | ')} |`)
    .join('\n');

const percent = (share: number | undefined): string => (share === undefined ? '' : `${Math.round(share * 100)} %`);

function loadLine(row: Run['measurements'][number]): Line {
  const { generator } = row;
  return [
    `${row.workload} ${row.server}, round ${row.round}`,
    row.cpuUs === undefined ? '' : round(row.cpuUs),
    percent(row.serverCpuShare),
    generator === undefined ? '' : round(generator.latenessP99Ms),
    generator?.cpuShares.map(percent).join(', ') ?? '',
    generator === undefined ? '' : round(generator.framesInPerSecond),
    percent(row.foreignCpuShare),
    [...row.invalid, ...row.complaints].join('; '),
  ];
}

function proofSection(run: Run): string {
  const lines = run.proof.map((proof) => [
    proof.workload,
    round(proof.generator.framesInPerSecond),
    round(proof.generator.latenessP99Ms),
    proof.generator.cpuShares.map(percent).join(', '),
    proof.invalid.length === 0 ? 'kept up' : proof.invalid.join('; '),
  ]);
  return markdown(['load', 'frames read a second', 'edits late p99, ms', 'CPU of each process', ''], lines);
}

/** The page that is kept beside the figures it was made from. */
export function writeReport(run: Run, workloads: readonly Workload[], servers: readonly ServerKind[]): string {
  const header = ['', ...servers.map(({ name, title }) => `${title} ${run.versions[name] ?? ''}`), '× floor', '× Hocuspocus'];
  const lines = workloads.flatMap((workload) => linesOf(run, workload, servers)).filter((line) => line.slice(1).some(Boolean));
  const faults = run.measurements.filter(({ complaints }) => complaints.length > 0);
  const { rounds, seconds, warmUpSeconds, workers } = run.settings;
  return [
    `# Measured on ${run.date}`,
    `Commit ${run.commit}. ${run.machine}. Generated by \`make bench\`; what it means is in [README.md](../README.md).`,
    `Medians of ${rounds} rounds; windows of ${seconds} s after ${warmUpSeconds} s of warming up; ${workers} generator processes on the same machine. ` +
      'Inkstream makes every edit durable and acknowledges it; the others keep documents in memory alone. † the generator did not keep up.',
    markdown(header, lines),
    workloads.map(({ name, title }) => `* ${name}: ${title}`).join('\n'),
    faults.length === 0
      ? 'Every edit reached every client, was read back by a fresh one and was confirmed where the server confirms.'
      : `**What went wrong**\n\n${faults.map((row) => `* ${row.workload}, ${row.server}, round ${row.round}: ${row.complaints.join('; ')}`).join('\n')}`,
    '## The load generator, proved beforehand',
    'On the floor with merging off, at one and a half times the rate: as many frames to read as the worst server could send.',
    proofSection(run),
    '## Each run',
    markdown(
      ['run', 'CPU µs', 'server', 'edits late p99, ms', 'generators', 'frames read a second', 'others on the machine', ''],
      run.measurements.map(loadLine),
    ),
    '',
  ].join('\n\n');
}
