/** A process that starts an engine (one that listens, and does nothing), says its port, and stays: for a test that kills it. */

import { readFileSync } from 'node:fs';
import { startEngine } from '#deploy/native/engine-process.ts';

const logFile = process.argv[2] ?? '';
const program =
  "const server = require('node:net').createServer().listen(0, '127.0.0.1', () => console.log(server.address().port))";

const engine = await startEngine({
  name: 'the engine',
  command: process.execPath,
  args: ['-e', program],
  logFile,
  readyLine: /^\d+$/mu,
  answers: () => Promise.resolve(true),
  lifetime: 'leashed',
});
process.stdout.write(readFileSync(logFile, 'utf8'));
await engine.ended;
