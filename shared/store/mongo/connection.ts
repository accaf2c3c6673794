/**
 * One connection pool to a database, through which every call of the store goes.
 *
 * A primary that has lost its office may not know it for seconds, and answers reads all that time. What it has is old but was once true;
 * what breaks is a reader that asks the new one first and the old one after: it sees a head, and then not the parts that were there before the head was.
 * Causal consistency is MongoDB's word against it: a read may name a time (`afterClusterTime`), and a member that is not there yet does not answer. The driver does that
 * within one session. A session per adapter would put all calls in one line behind each other, so each call has a session of its own that begins at the latest time that any call of this adapter has seen.
 *
 * The URL is written by people who want other things from other programs (`readPreference=secondaryPreferred`, `w=1`). None of it reaches what
 * is done here: concerns and preference are set on the database object, where nothing of the URL's goes over them.
 *
 * No call lasts for ever: finding a server, getting a connection of the pool, the server's work and its silence each have a limit. The driver tries once more
 * where that is safe, so a call to a dead server takes twice that at most. What a call did not wait for may still happen later, which changes nothing (rule 4).
 */

import {
  ReadConcern,
  type ClientSession,
  type ClusterTime,
  type Db,
  type MongoClient,
  type Timestamp,
  type TopologyDescription,
} from 'mongodb';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { StoreUnavailable } from '../store.ts';
import { endWritesWithConnections } from './ended-writes.ts';
import { askCapabilities, isFollower, type Capabilities } from './capabilities.ts';
import { failureFrom, openingFailureFrom } from './failures.ts';
import { clientFor, type Place } from './place.ts';

export type ConnectionLimits = {
  /** How long a call waits for a server that takes writes, in milliseconds: an election takes longer, and is waited for by repeating the call. */
  readonly serverSelectionMsMax: number;
  /** How long one operation may wait for a connection of the pool while others use them, in milliseconds. */
  readonly queueMsMax: number;
  /** How long the server may work on one operation, and then wait for its confirmation by a majority, in milliseconds. */
  readonly operationMsMax: number;
  /** Connections to one server at a time. */
  readonly connectionsMax: number;
};

export const connectionLimits: ConnectionLimits = {
  serverSelectionMsMax: 5_000,
  queueMsMax: 60_000,
  operationMsMax: 10_000,
  connectionsMax: 32,
};

/** What goes with each operation of a call. */
export type Call = { readonly session?: ClientSession; readonly maxTimeMS: number };

export type Connection = {
  readonly db: Db;
  readonly capabilities: Capabilities;
  /** Does `work` as one call. @throws StoreUnavailable where the store is away, or closed */
  readonly run: <T>(work: (call: Call) => Promise<T>) => Promise<T>;
  readonly close: () => Promise<void>;
};

/**
 * Connects, and asks the server what it can do.
 * @throws StoreUnavailable where it can't be reached now; Error in one line where it never will: the URL, the credentials, a server that can't do what is needed
 */
export async function openConnection(url: string, limits: ConnectionLimits, logger?: Logger): Promise<Connection> {
  endWritesWithConnections();
  const { serverSelectionMsMax, queueMsMax, operationMsMax, connectionsMax } = limits;
  const { client, place } = clientFor(url, {
    appName: 'inkstream',
    serverSelectionTimeoutMS: serverSelectionMsMax,
    connectTimeoutMS: serverSelectionMsMax,
    waitQueueTimeoutMS: queueMsMax,
    // The server is the first to say that it takes too long.
    socketTimeoutMS: operationMsMax + 1_000,
    maxPoolSize: connectionsMax,
    promoteValues: true,
    promoteLongs: true,
    promoteBuffers: false,
    raw: false,
  });
  let topology: TopologyDescription | undefined;
  client.on('topologyDescriptionChanged', ({ newDescription }) => (topology = newDescription));
  const databaseWith = (readConcern: Capabilities['readConcern']): Db =>
    client.db(place.database, {
      readPreference: 'primary',
      readConcern: new ReadConcern(readConcern),
      writeConcern: { w: 'majority', journal: true, wtimeoutMS: operationMsMax },
    });
  try {
    await client.connect();
    if (topology === undefined) throw new StoreUnavailable(`MongoDB at ${place.name} did not say what it is`);
    const capabilities = await askCapabilities(databaseWith('majority'), topology, place, logger);
    const db = databaseWith(capabilities.readConcern);
    return calling({ client, db, place, capabilities, operationMsMax, isFollower: () => isFollower(topology) });
  } catch (error) {
    await client.close();
    throw openingFailureFrom(error, place);
  }
}

/** The latest times that any call has seen: the cluster's, and that of what was read or written. */
type SeenTimes = { operation: Timestamp | undefined; cluster: ClusterTime | undefined };

function begin(session: ClientSession, seen: SeenTimes): void {
  if (seen.cluster !== undefined) session.advanceClusterTime(seen.cluster);
  if (seen.operation !== undefined) session.advanceOperationTime(seen.operation);
}

function learn(session: ClientSession, seen: SeenTimes): void {
  const { operationTime, clusterTime } = session;
  if (operationTime !== undefined && (seen.operation?.lessThan(operationTime) ?? true)) seen.operation = operationTime;
  // A server without keys may leave the signature out, and the driver wants one.
  if (clusterTime?.signature !== undefined && (seen.cluster?.clusterTime.lessThan(clusterTime.clusterTime) ?? true))
    seen.cluster = clusterTime;
}

type Opened = {
  readonly client: MongoClient;
  readonly db: Db;
  readonly place: Place;
  readonly capabilities: Capabilities;
  readonly operationMsMax: number;
  readonly isFollower: () => boolean;
};

function calling({ client, db, place, capabilities, operationMsMax, isFollower }: Opened): Connection {
  const seen: SeenTimes = { operation: undefined, cluster: undefined };
  let closed = false;

  const inSession = async <T>(work: (call: Call) => Promise<T>): Promise<T> => {
    const session = client.startSession({ causalConsistency: true });
    try {
      begin(session, seen);
      return await work({ session, maxTimeMS: operationMsMax });
    } finally {
      learn(session, seen);
      await session.endSession();
    }
  };
  return {
    db,
    capabilities,
    run: async (work) => {
      if (closed) throw new StoreUnavailable('the store was closed');
      if (isFollower()) throw new StoreUnavailable(`MongoDB at ${place.name} is not the primary of its replica set`);
      try {
        return await (capabilities.hasSessions ? inSession(work) : work({ maxTimeMS: operationMsMax }));
      } catch (error) {
        throw failureFrom(error, place);
      }
    },
    close: async () => {
      closed = true;
      await client.close();
    },
  };
}
