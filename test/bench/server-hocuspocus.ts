/**
 * @hocuspocus/server as it is installed (`PEERS_DIR`), with its defaults and no extension: documents live in memory alone, nothing is stored.
 * For cold openings (`SEED_FILE`) its loading hook reads the document from a file.
 */

import { readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';

type Configuration = {
  readonly port: number;
  readonly address: string;
  readonly quiet: boolean;
  readonly onLoadDocument?: () => Promise<Uint8Array>;
};
type Hocuspocus = { readonly Server: new (configuration: Configuration) => { readonly listen: () => Promise<unknown> } };

const seedFile = process.env['SEED_FILE'];
const entry = `${process.env['PEERS_DIR']}/node_modules/@hocuspocus/server/dist/hocuspocus-server.esm.js`;
const { Server } = (await import(pathToFileURL(entry).href)) as Hocuspocus;
const server = new Server({
  port: Number(process.env['PORT']),
  address: '127.0.0.1',
  quiet: true,
  ...(seedFile === undefined ? {} : { onLoadDocument: () => readFile(seedFile) }),
});
await server.listen();
process.stdout.write('listening\n');
process.once('SIGTERM', () => process.exit(0));
