/**
 * What the server at the other end can do, asked of it once, at the opening.
 *
 * The store wants sessions and majority reads, which every MongoDB has that this driver still speaks to. Servers that speak MongoDB's protocol and are not MongoDB have
 * less. Whether that is bearable depends on what it is for: sessions and majority reads say which of several members' answers counts. A server
 * that is no member of a replica set and no router has nobody to disagree with, and does without; anywhere else a store without them could open a document
 * as it stood before the last fail-over, so it is refused.
 *
 * This file is the only one that knows of such differences.
 */

import { MongoServerError, type Db, type ReadConcernLevel, type TopologyDescription } from 'mongodb';
import type { Logger } from '#shared/runtime/telemetry.ts';
import type { Place } from './place.ts';

export type Capabilities = {
  /** Whether commands may name a session. */
  readonly hasSessions: boolean;
  readonly readConcern: ReadConcernLevel;
  /** Whether a change event says whose it is. Where not, the server is asked to look the document up, which has its id. */
  readonly eventsHaveKeys: boolean;
};

/** Codes with which a server says that it has no majority reads: BadValue, FailedToParse, InvalidOptions, CommandNotSupported, ReadConcernMajorityNotEnabled, NotImplemented, and an unknown field. */
const noMajorityReads: ReadonlySet<unknown> = new Set([2, 9, 72, 115, 148, 238, 40_415]);

const isAlone = ({ servers }: TopologyDescription): boolean =>
  servers.size === 1 && [...servers.values()].every(({ type }) => type === 'Standalone');

/**
 * `topology` is what the driver was told when it connected: a server that knows sessions says how long they last.
 * @throws Error in one line where a server that is one of several can't do what the store needs; errors of the driver
 */
export async function askCapabilities(
  db: Db,
  topology: TopologyDescription,
  place: Place,
  logger?: Logger,
): Promise<Capabilities> {
  const hasSessions = topology.logicalSessionTimeoutMinutes !== null;
  if (!hasSessions && !isAlone(topology)) throw new Error(`MongoDB at ${place.name} knows no sessions, which the store needs`);
  const readConcern = await majorityReads(db, isAlone(topology), place);
  if (!hasSessions || readConcern === 'local')
    logger?.warn(
      { mongodb: place.name, hasSessions, readConcern },
      'the database is a single server without all of what MongoDB has',
    );
  // Every MongoDB that has change streams has sessions; what stands in for it has neither these nor keys in its events.
  return { hasSessions, readConcern, eventsHaveKeys: hasSessions };
}

async function majorityReads(db: Db, alone: boolean, place: Place): Promise<ReadConcernLevel> {
  try {
    await db.collection('checkpoints', { readConcern: { level: 'majority' } }).findOne({}, { projection: { _id: 1 } });
    return 'majority';
  } catch (error) {
    if (!(error instanceof MongoServerError) || !noMajorityReads.has(error.code)) throw error;
    if (!alone)
      throw new Error(`MongoDB at ${place.name} has no majority reads, which the store needs: ${error.message}`, {
        cause: error,
      });
    return 'local';
  }
}

/** Where the URL asks for a direct connection, the driver takes whatever it finds there for the primary. */
export function isFollower(topology: TopologyDescription | undefined): boolean {
  if (topology?.type !== 'Single') return false;
  return [...topology.servers.values()].some(({ type }) => type.startsWith('RS') && type !== 'RSPrimary');
}
