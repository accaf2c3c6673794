/**
 * @y/websocket-server as it is installed (`PEERS_DIR`): its own `server.js` with its own defaults, so documents live in memory alone.
 * For cold openings (`SEED_FILE`) its persistence port reads the document from a file, which costs less than the LevelDB adapter that it offers.
 */

import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

type Persistence = {
  readonly provider: null;
  readonly bindState: (name: string, doc: object) => void;
  readonly writeState: () => Promise<void>;
};
type Utilities = { readonly setPersistence: (persistence: Persistence) => void };
type Yjs = { readonly applyUpdate: (doc: object, update: Uint8Array) => void };

const peers = `${process.env['PEERS_DIR']}/node_modules`;
const seedFile = process.env['SEED_FILE'];
const load = async (path: string): Promise<unknown> => import(pathToFileURL(path).href);

if (seedFile !== undefined) {
  const yjs = (await load(`${peers}/yjs/dist/yjs.mjs`)) as Yjs;
  const utilities = (await load(`${peers}/@y/websocket-server/src/utils.js`)) as Utilities;
  utilities.setPersistence({
    provider: null,
    bindState: (_name, doc) => yjs.applyUpdate(doc, readFileSync(seedFile)),
    writeState: () => Promise.resolve(),
  });
}
await load(`${peers}/@y/websocket-server/src/server.js`);
process.once('SIGTERM', () => process.exit(0));
