/**
 * A MongoDB that one test has for itself: in Docker where a daemon answers, else a local process. A test that kills it looks at `isStandIn` first: the
 * stand-in may lose its last second on kill -9, and is stopped instead, or its connections are cut.
 */

import { freePort } from '#deploy/native/free-port.ts';
import {
  becomePrimary,
  databaseAnswers,
  databaseAtHand,
  mongodOptions,
  startDatabase,
  type Database,
} from '#deploy/native/mongodb.ts';
import { dockerHost, startContainer } from '#test/harness/docker.ts';
import { ownLocalEngine, type Had, type OwnEngine } from '#test/harness/own-engine.ts';
import { startTcpProxy, type TcpProxy } from '#test/harness/tcp-proxy.ts';

const image = 'mongo:8.0.17';

export type OwnMongodb = OwnEngine & {
  /** The same server through `proxy`. */
  readonly proxiedUrl: string;
  /** `mongodb://…/<database>`, straight to the server. */
  readonly url: string;
  /** Goes with `remove`. */
  readonly proxy: TcpProxy;
  /** Whether it is not MongoDB but what stands in for it. */
  readonly isStandIn: boolean;
};

export type OwnMongodbOptions = {
  /** For one that is neither killed nor stopped: the stand-in takes a tenth of the time where it keeps nothing on disk. */
  readonly isInMemory?: boolean;
};

const database = 'test';

/**
 * Starts a database, a replica set of one unless it is the stand-in, with a proxy before it. The caller removes it.
 * @throws Error where it should start and does not; what can't be had at all is a value.
 */
export async function startOwnMongodb({ isInMemory = false }: OwnMongodbOptions = {}): Promise<Had<OwnMongodb>> {
  const docker = await dockerHost();
  const atHand = docker === undefined ? await databaseAtHand() : 'mongod';
  if (typeof atHand === 'object') return { kind: 'missing', reason: `no MongoDB: no Docker daemon, ${atHand.missing}` };
  const port = await freePort();
  const host = docker ?? '127.0.0.1';
  const engine = docker === undefined ? await local(port, isInMemory) : await contained(docker, port);
  const proxy = await startTcpProxy({ target: { host, port } });
  // A replica set is found by what its members say of themselves, which is past the proxy; and one member is all there is.
  const urlAt = (address: string): string => `mongodb://${address}/${database}?directConnection=true`;
  const remove = async (): Promise<void> => {
    await proxy.close();
    await engine.remove();
  };
  return {
    kind: 'had',
    ...engine,
    url: urlAt(`${host}:${port}`),
    proxiedUrl: urlAt(proxy.address),
    proxy,
    isStandIn: atHand === 'stand-in',
    remove,
  };
}

const local = (port: number, isInMemory: boolean): Promise<OwnEngine> =>
  ownLocalEngine<Database>(
    ({ kind }) => (kind === 'mongod' ? 'local process (mongod)' : 'stand-in (mongo-java-server, a local process)'),
    (dataDir) => startDatabase({ dataDir, database, port, isInMemory, isBrief: true }),
  );

async function contained(host: string, port: number): Promise<OwnEngine> {
  const engine = await startContainer(host, {
    image,
    ports: [port],
    command: ['mongod', '--bind_ip_all', '--port', String(port), ...mongodOptions],
    readyLine: /Waiting for connections/u,
    answers: (at) => databaseAnswers(`${at}:${port}`),
  });
  const start = async (): Promise<void> => {
    await engine.start();
    await becomePrimary(`${host}:${port}`, port);
  };
  await becomePrimary(`${host}:${port}`, port);
  return { ...engine, start };
}
