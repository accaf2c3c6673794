/**
 * Thousands of frames that no editor would send, against a server with people typing in the same documents; a hundred thousand in `make chaos`.
 *
 * Each attacker sends one frame and then a question, and goes on when the answer or the end of the connection comes: so every
 * frame is read by a session that is alive, and who closes whom is certain. What gets through (some mutated frames are sound) is an edit like
 * any other: it must not make a reader throw, and everybody must end with the same.
 */

import { expect, onTestFinished, test } from 'vitest';
import * as Y from 'yjs';
import { encodeAwareness, encodeStep1, encodeStep2, encodeUpdate } from '#shared/wire/y-websocket.ts';
import { awarenessFrame } from '#test/harness/bare-client.ts';
import { readMetric } from '#test/harness/metrics.ts';
import { openRawClient, type RawClient, type RawClosing } from '#test/harness/raw-client.ts';
import { openRawPerson, type RawPerson } from '#test/harness/raw-person.ts';
import { startServer, type Server } from '#test/harness/server.ts';
import { hostileUpdate } from '#test/simulation/rooms/hostile.ts';
import { type Random, seeded } from '#test/simulation/rooms/random.ts';

const framesTotal = Number(process.env['HOSTILE_FRAMES'] ?? 15_000);
const seed = Number(process.env['HOSTILE_SEED'] ?? 1);
const attackersAtOnce = 72;
const frameBytesMax = 65_536;
/** Each person types once in so many hostile frames. */
const framesPerKeystroke = 100;
/**
 * What a second wave may add to the process that was as busy with a first. The documents grow with it, and it comes and goes by megabytes: here only a kilobyte
 * left behind by each frame would show, and in `make chaos` one by each connection, 350 bytes a frame. Measured in what the server's main thread has in use: what is resident has the compaction's thread and the mapped database in it, which come and go.
 */
const grownBytesMax = 6e6 + 60 * framesTotal;
const documents = ['one', 'two', 'three'];

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));

/** Updates that Yjs takes and that break its readers, and others that are nearly right. */
const vectors = [
  '000101010000',
  '01010100000000',
  '01010100040101740000',
  '0201010004010174016101020004010174016200',
  '02010900840300016201030504010174017800',
  '0001010100ffffffff07',
  '01010100000100',
  '010101000101017402616200',
  '01010100010100',
  '0000',
  '00',
  '',
].map(bytesOf);

const brokenStateVectors = ['01', '', 'ffffffffffffffffff01', '0101', '02010101', '010180', '0101ffffffffffff0f', '000000'].map(
  bytesOf,
);
const brokenJson = ['', '{', '{"a":1', '{"a":1,}', 'undefined', 'NaN', '{}{}', '"', '['.repeat(5_000), '{"a":"\u0000"}', 'nul'];

/** Frames that an editor really sends. */
function realFrames(): readonly Uint8Array[] {
  const doc = new Y.Doc();
  doc.clientID = 77;
  const frames: Uint8Array[] = [encodeStep1(Uint8Array.of(0)), Uint8Array.of(3)];
  doc.on('update', (update: Uint8Array) => frames.push(encodeUpdate(update)));
  doc.getText('text').insert(0, 'plain text');
  doc.getText('text').format(2, 4, { bold: true });
  doc.getMap('map').set('key', { a: [1, 'two', null] });
  doc.getXmlFragment('xml').insert(0, [new Y.XmlElement('p')]);
  doc.getText('text').delete(1, 3);
  frames.push(encodeStep1(Y.encodeStateVector(doc)), encodeStep2(Y.encodeStateAsUpdate(doc)));
  frames.push(awarenessFrame({ client: 77, clock: 1, state: '{"name":"someone","cursor":{"anchor":1}}' }));
  return frames;
}

const real = realFrames();
const randomBytes = (random: Random, length: number): Uint8Array => Uint8Array.from({ length }, () => random.integer(256));

function mutated(random: Random): Uint8Array {
  const frame = new Uint8Array(random.pick(real));
  for (let times = 1 + random.integer(3); times > 0; times--) frame[random.integer(frame.length)] = random.integer(256);
  return frame;
}

const wrapped = (random: Random, update: Uint8Array): Uint8Array =>
  random.chance(0.5) ? encodeUpdate(update) : encodeStep2(update);

type Attack = { readonly message: Uint8Array; readonly as: 'binary' | 'text' | 'bytes' };

const attacks: readonly ((random: Random, number: number) => Uint8Array | Attack)[] = [
  (random) => randomBytes(random, random.integer(100)),
  mutated,
  mutated,
  mutated,
  (random) => random.pick(real).subarray(0, random.integer(20)),
  (random) =>
    bytesOf(
      `${random.pick(['00', '01', '0000', '0001', '0002', ''])}${'ff'.repeat(random.integer(12))}${random.pick(['01', '7f', ''])}`,
    ),
  (random) => wrapped(random, bytesOf(`${'ff'.repeat(1 + random.integer(9))}01`)),
  (random) => wrapped(random, random.pick(vectors)),
  (random) => wrapped(random, randomBytes(random, random.integer(60))),
  (random) => awarenessFrame({ client: random.integer(9), clock: random.integer(9), state: random.pick(brokenJson) }),
  (random) => encodeAwareness(random.chance(0.5) ? randomBytes(random, random.integer(30)) : bytesOf('ffffffff0f010101')),
  (random) => Uint8Array.of(random.pick([2, 4, 5, 6, 7, 8, 9, 100]), ...randomBytes(random, random.integer(9))),
  (random) => encodeStep1(random.pick(brokenStateVectors)),
  (random, number) =>
    wrapped(
      random,
      hostileUpdate(random, [1_000_000 + number, 5], () => 0, [77, 88], 'plain'),
    ),
  (random) => ({ message: randomBytes(random, random.integer(40)).map((byte) => 32 + (byte & 63)), as: 'text' }),
  (random) => (random.chance(0.05) ? new Uint8Array(frameBytesMax + 1 + random.integer(frameBytesMax)) : Uint8Array.of()),
  (random) => (random.chance(0.05) ? { message: randomBytes(random, random.integer(40)), as: 'bytes' } : Uint8Array.of(0)),
];

function attackOf(random: Random, number: number): Attack {
  const attack = random.pick(attacks)(random, number);
  return attack instanceof Uint8Array ? { message: attack, as: 'binary' } : attack;
}

/** What to ask about a document, so that the answer is short: as good as all of it is known. */
type QuestionOf = (document: string) => Uint8Array;

/** One attacker's connection: `provoke` sends a frame, and resolves when the server has dealt with it. */
async function attacker(port: number, document: string, localAddress: string, questionOf: QuestionOf) {
  let closing: RawClosing | undefined;
  let onAnswer = (): void => {};
  let onClosed = (): void => {};
  const connection: RawClient = await openRawClient({
    port,
    localAddress,
    path: `/ws/${document}`,
    // Of what comes back, only an answer to the question is waited for: Step2.
    onMessage: (message) => message[0] === 0 && message[1] === 1 && onAnswer(),
  });
  void connection.closed.then((how) => {
    closing = how;
    onClosed();
  });
  const provoke = ({ message, as }: Attack): Promise<RawClosing | undefined> =>
    new Promise((resolve) => {
      onClosed = () => resolve(closing);
      // An answer may be that to an earlier question, and must not be taken for the end.
      onAnswer = as === 'bytes' ? () => {} : onClosed;
      if (as === 'bytes') {
        // The server may well wait for the rest of a frame that it sees in them.
        connection.sendBytes(message);
        connection.end();
        return;
      }
      connection.send(message, as);
      connection.send(questionOf(document));
    });
  return { provoke, drop: () => connection.drop(), isClosed: () => closing !== undefined };
}

type Ends = Map<string, number>;

type Wave = { readonly server: Server; readonly questionOf: QuestionOf; readonly onFrame: () => void };

/** Sends `count` frames, over as many connections as it takes. */
async function attack({ server, questionOf, onFrame }: Wave, random: Random, number: number, count: number): Promise<Ends> {
  const ends: Ends = new Map();
  const open = () => attacker(server.port, random.pick(documents), `127.0.0.${2 + (number % 50)}`, questionOf);
  let current = await open();
  for (let sent = 0; sent < count; sent++) {
    if (current.isClosed()) current = await open();
    const frame = attackOf(random, number * 1_000_000 + sent);
    const closing = await current.provoke(frame);
    onFrame();
    if (closing === undefined) continue;
    if (frame.as === 'bytes') continue;
    const what = `${closing.code}${closing.reason === '' ? ' without a reason' : ''}`;
    ends.set(what, (ends.get(what) ?? 0) + 1);
  }
  current.drop();
  return ends;
}

function type(random: Random, { client }: RawPerson): void {
  const { text } = client;
  const at = random.integer(text.length + 1);
  if (random.chance(0.3) && at < text.length) text.delete(at, Math.min(text.length - at, 1 + random.integer(5)));
  else text.insert(at, random.pick(['word ', 'x', 'öü', '日本 ']));
  client.awareness.setLocalStateField('cursor', at);
}

const vectorOf = ({ client }: RawPerson): string => Buffer.from(Y.encodeStateVector(client.doc)).toString('hex');

/** Two people a document, who have typed a little. */
async function openPeople(server: Server, random: Random): Promise<readonly RawPerson[]> {
  const people: RawPerson[] = [];
  for (const document of [...documents, ...documents]) people.push(await openRawPerson({ port: server.port, document }));
  onTestFinished(() => {
    for (const person of people) person.leave();
  });
  for (const person of people) await person.until('synced', () => person.client.saved);
  for (let i = 0; i < 300; i++) for (const person of people) type(random, person);
  for (const person of people) await person.until('saved', () => person.client.saved);
  return people;
}

/** Both people of each document, and one who comes now, have the same. */
async function expectSame(server: Server, people: readonly RawPerson[]): Promise<void> {
  for (const [index, document] of documents.entries()) {
    const [one, other] = [people[index], people[index + documents.length]];
    if (one === undefined || other === undefined) throw new Error('somebody is missing');
    const fresh = await openRawPerson({ port: server.port, document });
    await one.until('the same', () => vectorOf(one) === vectorOf(other));
    await fresh.until('the same for who comes later', () => vectorOf(fresh) === vectorOf(one));
    expect(other.client.text.toJSON()).toBe(one.client.text.toJSON());
    expect(fresh.client.text.toJSON()).toBe(one.client.text.toJSON());
    expect(fresh.client.doc.store.pendingStructs).toBeNull();
    fresh.leave();
    await fresh.connection.closed;
  }
}

function sumOf(counted: readonly Ends[]): Ends {
  const sum: Ends = new Map();
  for (const ends of counted) for (const [what, count] of ends) sum.set(what, (sum.get(what) ?? 0) + count);
  return sum;
}

test('YW10: hostile frames close their senders alone, with a reason, and disturb nobody', { timeout: 300_000 }, async () => {
  const random = seeded(seed);
  const server = await startServer({ canCollect: true, settings: { FRAME_BYTES_MAX: frameBytesMax } });
  onTestFinished(() => server.kill());
  const people = await openPeople(server, random);
  const sessions = await readMetric(server.url, 'inkstream_sessions');
  const memoryBefore = await server.memoryInUse();

  let frames = 0;
  const questions = new Map<string, Uint8Array>();
  const ask = (): void => {
    for (const [index, document] of documents.entries())
      questions.set(document, encodeStep1(Y.encodeStateVector(people[index]?.client.doc ?? new Y.Doc())));
  };
  const onFrame = (): void => {
    if (++frames % framesPerKeystroke !== 0) return;
    for (const person of people) type(random, person);
    ask();
  };
  ask();
  const questionOf: QuestionOf = (document) => questions.get(document) ?? encodeStep1(Uint8Array.of(0));
  const wave = (number: number): Promise<readonly Ends[]> => {
    const each = Math.ceil(framesTotal / 2 / attackersAtOnce);
    const numbers = Array.from({ length: attackersAtOnce }, (_, index) => number * attackersAtOnce + index);
    return Promise.all(numbers.map((name) => attack({ server, questionOf, onFrame }, seeded(seed * 1_000 + name), name, each)));
  };
  const begun = performance.now();
  const first = await wave(0);
  const memoryBetween = await server.memoryInUse();
  const ends = sumOf([...first, ...(await wave(1))]);
  const seconds = (performance.now() - begun) / 1000;

  expect([...ends.keys()].toSorted()).toEqual(['1009', '4400']);
  expect(people.map((person) => person.closing())).toEqual(people.map(() => undefined));
  for (const person of people) await person.until('saved', () => person.client.saved);
  await expectSame(server, people);
  const problems = server
    .stderr()
    .split('\n')
    .filter((line) => line !== '' && !line.includes('"level":30'));
  expect(problems).toEqual([]);
  while ((await readMetric(server.url, 'inkstream_sessions')) > sessions);
  expect(await readMetric(server.url, 'inkstream_slow_readers')).toBe(0);
  const memory = await server.memoryInUse();
  const ackMs = people.flatMap((person) => person.ackMs).toSorted((a, b) => a - b);
  console.log(
    `${frames} hostile frames in ${seconds.toFixed(1)} s; closed: ${JSON.stringify(Object.fromEntries(ends))}; ` +
      `heap and buffers ${[memoryBefore, memoryBetween, memory].map((bytes) => (bytes / 1e6).toFixed(0)).join(' → ')} MB; ` +
      `acknowledgements p50 ${ackMs[ackMs.length >> 1]?.toFixed(1)} ms, worst ${ackMs.at(-1)?.toFixed(0)} ms`,
  );
  expect(memory - memoryBetween).toBeLessThan(grownBytesMax);
});
