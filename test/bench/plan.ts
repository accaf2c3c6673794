/**
 * What the benchmark and its load generators say to each other.
 *
 * Generators are processes of their own. Each gets the same plan and its own number, and works out by itself which clients are its own:
 * whole documents where there are many, every n-th client where there is one. Which gateway a client connects to has nothing to do with
 * that: an edit is timed where its writer and its reader are in one process, and those that cross from one gateway to another must be among them. All times are milliseconds of the machine's monotonic clock,
 * which all processes share.
 */

import type { DialectName } from './dialects.ts';
import type { Histogram } from './histogram.ts';

export type Plan = {
  readonly worker: number;
  readonly workers: number;
  readonly dialect: DialectName;
  /** Where the gateways listen: a document's clients are spread over all of them. */
  readonly ports: readonly number[];
  /** What comes before the document's name in the URL, and after it for writers. */
  readonly pathPrefix: string;
  readonly pathSuffix: string;
  readonly documents: number;
  readonly clientsPerDocument: number;
  readonly writersPerDocument: number;
  readonly editsPerSecond: number;
  readonly baseCharacters: number;
  /** How many edits each writer makes in all. */
  readonly editsPerWriter: number;
  readonly seed: number;
  /** Connections that may be opening at once. */
  readonly openingMax: number;
};

export type ToWorker =
  | { readonly kind: 'plan'; readonly plan: Plan }
  /** Open the first client of each document and put the base into it. */
  | { readonly kind: 'seed' }
  /** Open all other clients; resolves when each has its document. `at`: not before this time. */
  | { readonly kind: 'open'; readonly at: number }
  /** Type from `at` on; measure what is typed from `windowFrom` until `windowTo`. */
  | { readonly kind: 'type'; readonly at: number; readonly windowFrom: number; readonly windowTo: number }
  | { readonly kind: 'quit' };

export type Opened = {
  readonly clients: number;
  /** From the connection's beginning to the whole document. */
  readonly opening: Histogram;
  readonly bytesMin: number;
};

export type Typed = {
  /** Pairs of an edit and a client other than its writer that came together within the window, whenever the edit was typed. */
  readonly pairsInWindow: number;
  /** From writing an edit to its receipt by another client, within the window. */
  readonly latency: Histogram;
  /** The same, of readers on another gateway than the writer alone. */
  readonly latencyAcross: Histogram;
  /** From writing an edit to the server's word that it is settled, where the server gives one. */
  readonly settling: Histogram;
  /** How late edits were written, against the schedule. */
  readonly lateness: Histogram;
  /** This process's CPU time within the window. */
  readonly cpuMs: number;
  /** Update frames received within the window. */
  readonly framesIn: number;
  /** Pairs of an edit and a client that it never reached. */
  readonly missing: number;
  /** Frames after which a client lacked an earlier edit. */
  readonly gaps: number;
  /** Update frames that the server should have said "settled" to at the end, and those that it did; 0 and 0 where it never does. */
  readonly settledExpected: number;
  readonly settled: number;
};

export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'seeded' }
  | { readonly kind: 'opened'; readonly opened: Opened }
  | { readonly kind: 'typed'; readonly typed: Typed }
  | { readonly kind: 'failed'; readonly reason: string };

/** The number of the gateway that a client connects to: a document's clients, and its writers, take turns; so do the documents' first ones. */
export const gatewayOf = (document: number, client: number, gateways: number): number => (document + client) % gateways;

/** The number of the generator that a client belongs to. Of one document, neighbours on all gateways stay together. */
export function workerOf(plan: Pick<Plan, 'documents' | 'workers' | 'ports'>, document: number, client: number): number {
  return (plan.documents > 1 ? document : Math.floor(client / plan.ports.length)) % plan.workers;
}

export const documentName = (document: number): string => `bench-${document}`;

/** The machine's monotonic clock in milliseconds: the same in all processes. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;
