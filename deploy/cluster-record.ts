/** What a local cluster remembers of itself between `make up` and `make down`, in `cluster.json` in its directory. */

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClusterPorts } from '#deploy/cluster-settings.ts';
import type { ProcessIdentity } from '#deploy/native/process-identity.ts';

/** In the order in which they start: what is needed comes first. */
export const partNames = ['kafka', 'mongodb', 'persister', 'changefeed', 'gateway-1', 'gateway-2', 'haproxy'] as const;
export type PartName = (typeof partNames)[number];

export type ClusterRecord = {
  readonly kind: 'inkstream-cluster';
  readonly version: 1;
  readonly on: 'docker' | 'processes';
  readonly ports: ClusterPorts;
  readonly mongodbUrl: string;
  /** Those that were started; whether they still are there is another question. Empty for one in Docker, which knows by itself. */
  readonly processes: { readonly [Name in PartName]?: ProcessIdentity };
};

/** What `make up` prints behind the word `ready`. */
export type ClusterReady = {
  readonly service: 'cluster';
  /** Of the gateways. */
  readonly urls: readonly string[];
  readonly loadBalancer: string | null;
  readonly kafka: string;
  readonly mongodb: string;
  readonly pids: { readonly [Name in PartName]?: number };
};

const fileIn = (directory: string): string => join(directory, 'cluster.json');

/** What was remembered; undefined where no cluster has been in this directory. Throws on what is no record, or one of a newer version. */
export function readRecord(directory: string): ClusterRecord | undefined {
  let text: string;
  try {
    text = readFileSync(fileIn(directory), 'utf8');
  } catch {
    return undefined;
  }
  const { kind, version } = JSON.parse(text) as { readonly kind?: unknown; readonly version?: unknown };
  if (kind !== 'inkstream-cluster' || version !== 1)
    throw new Error(`${fileIn(directory)} is not what this version of Inkstream writes there: use another directory`);
  return JSON.parse(text) as ClusterRecord;
}

/** Whole or not at all, whenever one is interrupted. */
export function writeRecord(directory: string, record: ClusterRecord): void {
  const unfinished = `${fileIn(directory)}.new`;
  writeFileSync(unfinished, `${JSON.stringify(record, undefined, 2)}\n`);
  renameSync(unfinished, fileIn(directory));
}
