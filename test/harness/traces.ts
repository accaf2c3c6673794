/**
 * Recorded editing sessions, which are replayed in tests: every keystroke of people who wrote something real.
 *
 * They are not part of the repository. They are looked for in `TRACES_DIR`, or beside the checkout; a test that misses them leaves itself out.
 */

import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';

/** At `position`, `deleted` characters go and `inserted` comes; in UTF-16 code units of the text at that moment. */
export type Patch = readonly [position: number, deleted: number, inserted: string];

/** One author after another: positions are those of the text after all earlier patches. */
export type SequentialTrace = { readonly endContent: string; readonly txns: readonly { readonly patches: readonly Patch[] }[] };

/** Several authors at once: the positions of an edit are those of the text that its author saw, which is what `parents` (by index) had led to. */
export type ConcurrentTrace = {
  readonly endContent: string;
  readonly numAgents: number;
  readonly txns: readonly {
    readonly agent: number;
    readonly parents: readonly number[];
    readonly patches: readonly Patch[];
  }[];
};

export const tracesDir = process.env['TRACES_DIR'] ?? resolve(import.meta.dirname, '../../../shared/data/traces');

const pathOf = (name: string): string => join(tracesDir, `${name}.json.gz`);

export const hasTrace = (name: string): boolean => existsSync(pathOf(name));

const readTrace = (name: string): unknown => JSON.parse(gunzipSync(readFileSync(pathOf(name))).toString('utf8'));

export const readSequentialTrace = (name: string): SequentialTrace => readTrace(name) as SequentialTrace;

export const readConcurrentTrace = (name: string): ConcurrentTrace => readTrace(name) as ConcurrentTrace;

/** The first `edits` of a trace, and the text that they lead to. */
export function beginningOf({ txns, endContent }: SequentialTrace, edits: number): SequentialTrace {
  if (edits >= txns.length) return { txns, endContent };
  const first = txns.slice(0, edits);
  let text = '';
  for (const [position, deleted, inserted] of first.flatMap(({ patches }) => patches))
    text = text.slice(0, position) + inserted + text.slice(position + deleted);
  return { txns: first, endContent: text };
}

/**
 * For each edit of a concurrent trace, how many edits of each author its author had seen: the size of its past, by author.
 * An author's own edits follow one another, so its past is a prefix of everybody's edits.
 */
export function pastsOf(trace: ConcurrentTrace): readonly (readonly number[])[] {
  const done = Array.from({ length: trace.numAgents }, () => 0);
  /** Past of each edit, itself included. */
  const known: number[][] = [];
  return trace.txns.map(({ agent, parents }) => {
    const past = Array.from({ length: trace.numAgents }, (_, other) =>
      Math.max(0, ...parents.map((parent) => known[parent]?.[other] ?? 0)),
    );
    done[agent] = (done[agent] ?? 0) + 1;
    known.push(past.map((count, other) => (other === agent ? (done[agent] ?? 0) : count)));
    return past;
  });
}
