/** Figures as cells of a table: medians over the rounds, aims beside what was measured, a mark where the generator did not keep up. */

import { median } from './histogram.ts';
import type { Measurement } from './measure.ts';
import type { ServerKind, ServerName } from './servers.ts';

export type Measured = readonly (Measurement & { readonly round: number })[];

/** What was measured of one section: the same servers on each workload. */
export type Section = { readonly servers: readonly Pick<ServerKind, 'name' | 'title'>[]; readonly measurements: Measured };

export type Figure = keyof {
  [Key in keyof Measurement as Measurement[Key] extends number | undefined ? Key : never]: true;
};

export type Cell = { readonly value: number; readonly isValid: boolean };

export type Line = readonly string[];

/** The median of the rounds in which the generator kept up; of all rounds, and not valid, where it never did. */
export function medianOf(
  measurements: Measured,
  server: ServerName,
  workload: string,
  figure: (row: Measurement) => number | undefined,
): Cell | undefined {
  const rows = measurements.filter((row) => row.server === server && row.workload === workload && figure(row) !== undefined);
  const valid = rows.filter((row) => row.invalid.length === 0);
  const values = (valid.length > 0 ? valid : rows).map((row) => figure(row) ?? Number.NaN);
  return values.length === 0 ? undefined : { value: median(values), isValid: valid.length > 0 };
}

export const cellOf = (measurements: Measured, server: ServerName, workload: string, figure: Figure): Cell | undefined =>
  medianOf(measurements, server, workload, (row) => row[figure]);

export const round = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString('en') : value === 0 ? '0' : value.toPrecision(2);

export const show = (cell: Cell | undefined, scale = 1): string =>
  cell === undefined ? '' : `${round(cell.value * scale)}${cell.isValid ? '' : '†'}`;

export const showPair = (first: Cell | undefined, second: Cell | undefined): string =>
  first === undefined ? '' : `${show(first)} / ${show(second)}`;

export const percent = (share: number | undefined): string => (share === undefined ? '' : `${Math.round(share * 100)} %`);

/** A ratio beside the most that it may be. */
export const atMost = (ratio: number, max: number): string => `${ratio.toFixed(2)} ${ratio <= max ? '✓' : '✗'} (≤ ${max})`;

/** A figure beside the least that it may be. */
export const atLeast = (value: number, min: number): string => `${round(value)} ${value >= min ? '✓' : '✗'} (≥ ${round(min)})`;

/** Ours over another's, beside its aim where there is one; empty where either was not measured. */
export function ratioTo(
  measurements: Measured,
  workload: string,
  other: ServerName,
  figure: Figure,
  max: number | undefined,
): string {
  const ours = cellOf(measurements, 'inkstream', workload, figure);
  const theirs = cellOf(measurements, other, workload, figure);
  if (ours === undefined || theirs === undefined) return '';
  const ratio = ours.value / theirs.value;
  return `${max === undefined ? ratio.toFixed(2) : atMost(ratio, max)}${ours.isValid && theirs.isValid ? '' : '†'}`;
}

export const markdown = (header: Line, lines: readonly Line[]): string =>
  [header, header.map((_, column) => (column === 0 ? '---' : '---:')), ...lines]
    .map((line) => `| ${line.join(' | ')} |`)
    .join('\n');

/** What servers lost, under their table. */
export function faultsOf(measurements: Measured): string {
  const faults = measurements.filter(({ complaints }) => complaints.length > 0);
  if (faults.length === 0)
    return 'Every edit reached every client, was read back by a fresh one and was confirmed where the server confirms.';
  const lines = faults.map((row) => `* ${row.workload}, ${row.server}, round ${row.round}: ${row.complaints.join('; ')}`);
  return `**What went wrong**\n\n${lines.join('\n')}`;
}
