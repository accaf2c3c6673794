/** How the processes of a cluster begin and fail to: real ones, with nothing behind them. */

import { createServer, type AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { asInstalled } from '#test/harness/brief-processes.ts';
import { endOfProgram, type ProgramEnd } from '#test/harness/program.ts';
import { temporaryDirectory } from '#test/harness/temporary-directory.ts';

const programs = [
  ['a gateway', ['services/gateway/main.ts']],
  ['a persister', ['services/persister/main.ts']],
  ['a changefeed', ['services/changefeed/main.ts']],
  ['the command for dead letters', ['services/persister/dead-letters.ts', 'list']],
] as const;

const wordsOf = ({ stderr }: ProgramEnd): string[] =>
  stderr
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { msg: string }).msg);

/** A port of this machine that nobody listens on. */
async function deadPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => void server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}

const places = { KAFKA_BROKERS: '127.0.0.1:9', MONGODB_URL: 'mongodb://127.0.0.1:9/inkstream' };

test.for(programs)('CL1: %s that is started with wrong settings says so in one line, with exit code 2', async ([, words]) => {
  for (const [settings, named] of [
    [{ ...places, KAFKA_BROKER: 'one:9092' }, 'INKSTREAM_KAFKA_BROKER is not a setting'],
    [{ ...places, PORT: 'http' }, 'INKSTREAM_PORT="http"'],
    [{ MONGODB_URL: places.MONGODB_URL }, 'INKSTREAM_KAFKA_BROKERS is not set'],
    [{ ...places, KAFKA_TLS_KEY_FILE: 'key.pem' }, 'INKSTREAM_KAFKA_TLS'],
  ] as const) {
    const end = await endOfProgram(words, settings);
    expect(wordsOf(end)).toEqual([expect.stringContaining(named)]);
    expect([end.code, end.stdout]).toEqual([2, '']);
  }
});

test('CL1: a gateway that everyone reaches wants to be told that everyone may', async () => {
  const end = await endOfProgram(['services/gateway/main.ts'], { ...places, HOST: '0.0.0.0' }, asInstalled(process.env));
  expect(wordsOf(end)).toEqual([expect.stringContaining('INKSTREAM_ALLOW_ANYONE')]);
  expect(end.code).toBe(2);
});

test.for([
  [[], 'usage'],
  [['weep'], 'usage'],
  [['replay'], '--all'],
  [['replay', '--all', '--offset', '1'], '--all'],
  [['list', '--partition', 'one'], 'whole numbers'],
  [['list', '--colour'], '--colour'],
] as const)('CL1: the command for dead letters with %j is told how it is called', async ([words, named]) => {
  const end = await endOfProgram(['services/persister/dead-letters.ts', ...words], places);
  expect(wordsOf(end)).toEqual([expect.stringContaining(named)]);
  expect(end.code).toBe(2);
});

test.for(programs.slice(0, 3))(
  'CL2, CL4: %s without a broker waits, and then ends with one line and exit code 1',
  async ([, words]) => {
    const broker = `127.0.0.1:${await deadPort()}`;
    const sasl = { KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_USERNAME: 'ada', KAFKA_SASL_PASSWORD: 'open-sesame' };
    const MONGODB_URL = 'mongodb://ada:open-sesame@127.0.0.1:9/inkstream';
    const end = await endOfProgram(words, {
      ...sasl,
      MONGODB_URL,
      KAFKA_BROKERS: broker,
      START_WAIT_MS: '1500',
      LOG_LEVEL: 'debug',
    });
    const said = wordsOf(end);
    expect(said).toContain('the start waits for something that is away');
    expect(said.at(-1)).toContain(`Kafka at ${broker} could not be used within 1500 ms`);
    expect([end.code, end.stdout]).toEqual([1, '']);
    expect(end.stderr).not.toContain('open-sesame');
  },
);

/** Sends SIGTERM to the process that it is loaded into, as soon as that listens for it. */
const stopAtOnce = `data:text/javascript,${encodeURIComponent(
  `process.on('newListener', (name) => name === 'SIGTERM' && setImmediate(() => process.kill(process.pid, name)));`,
)}`;

test.for([
  ['a gateway', 'services/gateway/main.ts', 0],
  ['a persister', 'services/persister/main.ts', 0],
  ['a changefeed', 'services/changefeed/main.ts', 0],
  ['standalone', 'services/standalone/main.ts', 0],
  ['provisioning', 'deploy/provision.ts', 1],
] as const)('CL66: %s that is told to stop while it starts ends at once, and says so', async ([name, program, code]) => {
  const directory = temporaryDirectory();
  onTestFinished(directory.remove);
  const { KAFKA_BROKERS } = places;
  const settings = {
    'a gateway': { ...places, START_WAIT_MS: 600_000 },
    'a persister': { ...places, START_WAIT_MS: 600_000 },
    'a changefeed': { ...places, START_WAIT_MS: 600_000 },
    standalone: { PORT: 0, DATA_DIR: directory.path },
    provisioning: { KAFKA_BROKERS, START_WAIT_MS: 600_000 },
  }[name];
  const end = await endOfProgram(['--import', stopAtOnce, program], settings);
  expect(wordsOf(end).at(-1)).toBe('told to stop before it was ready: ending at once');
  expect([end.code, end.stdout]).toEqual([code, '']);
});

test.for(programs.slice(1, 3))('CL67: %s whose port is taken ends before it asks anything of Kafka', async ([, words]) => {
  const other = createServer();
  onTestFinished(() => void other.close());
  await new Promise<void>((listening) => void other.listen(0, '127.0.0.1', listening));
  const { port } = other.address() as AddressInfo;
  const end = await endOfProgram(words, { ...places, PORT: port, START_WAIT_MS: 600_000 });
  expect(wordsOf(end)).toEqual([expect.stringContaining(`can't listen on 127.0.0.1, port ${port}`)]);
  expect([end.code, end.stdout]).toEqual([1, '']);
});

test('CL2: of a malformed URL of the database only what is wrong with it is said, and nothing is waited for', async () => {
  const MONGODB_URL = 'mongodb://ada:open/sesame@127.0.0.1:9/inkstream';
  const end = await endOfProgram(['services/gateway/main.ts'], { ...places, MONGODB_URL, START_WAIT_MS: 600_000 });
  expect(wordsOf(end)).toEqual([expect.stringContaining('the MongoDB URL is malformed')]);
  expect(end.stderr).not.toContain('sesame');
});
