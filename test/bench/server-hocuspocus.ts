/**
 * @hocuspocus/server as it is installed (`PEERS_DIR`), with its defaults: documents live in memory alone, nothing is stored. In a cluster (`REDIS_PORT`)
 * its Redis extension joins it to the others, with its defaults too. For cold openings (`SEED_FILE`) its loading hook reads the document from a file.
 */

import { readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';

type Configuration = {
  readonly port: number;
  readonly address: string;
  readonly quiet: boolean;
  readonly extensions: readonly object[];
  readonly onLoadDocument?: () => Promise<Uint8Array>;
};
type Hocuspocus = { readonly Server: new (configuration: Configuration) => { readonly listen: () => Promise<unknown> } };
type RedisExtension = { readonly Redis: new (configuration: { readonly host: string; readonly port: number }) => object };

const { SEED_FILE: seedFile, REDIS_PORT: redisPort, PEERS_DIR: peersDir } = process.env;
const load = (file: string): Promise<unknown> =>
  import(pathToFileURL(`${peersDir}/node_modules/@hocuspocus/${file}.esm.js`).href);

async function joinedBy(port: number): Promise<object> {
  const { Redis } = (await load('extension-redis/dist/hocuspocus-redis')) as RedisExtension;
  return new Redis({ host: '127.0.0.1', port });
}

const { Server } = (await load('server/dist/hocuspocus-server')) as Hocuspocus;
const server = new Server({
  port: Number(process.env['PORT']),
  address: '127.0.0.1',
  quiet: true,
  extensions: redisPort === undefined ? [] : [await joinedBy(Number(redisPort))],
  ...(seedFile === undefined ? {} : { onLoadDocument: () => readFile(seedFile) }),
});
await server.listen();
process.stdout.write('listening\n');
process.once('SIGTERM', () => process.exit(0));
