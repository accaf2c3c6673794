/**
 * A broker and a database to develop against: `node deploy/native/main.ts [directory]`. Prints one line when both serve, and ends both on SIGTERM, SIGINT, or
 * when it is killed. The data stays, so that the next start finds it.
 */

import { join, resolve } from 'node:path';
import { startBroker } from '#deploy/native/kafka.ts';
import { startDatabase } from '#deploy/native/mongodb.ts';

const directory = resolve(process.argv[2] ?? join(import.meta.dirname, '../../.local/engines'));
const [kafka, mongodb] = await Promise.all([
  startBroker({ dataDir: join(directory, 'kafka') }),
  startDatabase({ dataDir: join(directory, 'mongodb'), database: 'inkstream' }),
]);
process.stdout.write(`ready ${JSON.stringify({ service: 'engines', kafka: kafka.address, mongodb: mongodb.url })}\n`);

const stop = (): void => void Promise.all([kafka.stop(), mongodb.stop()]).then(() => process.exit(0));
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
