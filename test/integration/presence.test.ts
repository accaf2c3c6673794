/** Who is here, as real clients see it. */

import { expect, onTestFinished, test } from 'vitest';
import { awarenessFrame } from '#test/harness/bare-client.ts';
import { readMetric } from '#test/harness/metrics.ts';
import { openRawClient } from '#test/harness/raw-client.ts';
import { openRawPerson, type RawPerson } from '#test/harness/raw-person.ts';
import { startServer, type Server } from '#test/harness/server.ts';
import { openClient, type Client } from '#test/harness/y-websocket-client.ts';

async function serve(): Promise<Server> {
  const server = await startServer();
  onTestFinished(() => server.kill());
  return server;
}

/** A person with a real provider, and a way to wait for what it is told of others. */
async function join(
  server: Server,
  name: string,
): Promise<Client & { readonly sees: (condition: (names: readonly string[]) => boolean) => Promise<void> }> {
  const client = openClient({ url: server.wsUrl, document: 'presence' });
  onTestFinished(client.discard);
  const { awareness } = client.provider;
  awareness.setLocalStateField('name', name);
  await client.synced();
  const names = (): readonly string[] => [...awareness.getStates().values()].map((state) => String(state['name'])).toSorted();
  const sees = (condition: (names: readonly string[]) => boolean): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!condition(names())) return;
        awareness.off('change', look);
        resolve();
      };
      awareness.on('change', look);
      look();
    });
  return { ...client, sees };
}

const are =
  (...expected: readonly string[]) =>
  (names: readonly string[]): boolean =>
    names.join() === expected.toSorted().join();

test('YW30: everybody sees everybody, what they do, and that they leave, whether they say so or are cut off', async () => {
  const server = await serve();
  const [ann, bob, eve] = [await join(server, 'ann'), await join(server, 'bob'), await join(server, 'eve')];
  for (const one of [ann, bob, eve]) await one.sees(are('ann', 'bob', 'eve'));
  bob.provider.awareness.setLocalStateField('name', 'bobby');
  await ann.sees(are('ann', 'bobby', 'eve'));
  bob.discard();
  await ann.sees(are('ann', 'eve'));
  (eve.provider.ws as unknown as { readonly terminate: () => void }).terminate();
  eve.provider.shouldConnect = false;
  await ann.sees(are('ann'));
});

test('YW31: echoes do not multiply: a cursor that moves is told once to each, however many are here', async () => {
  const server = await serve();
  const people: RawPerson[] = [];
  for (let i = 0; i < 20; i++) {
    const person = await openRawPerson({ port: server.port, document: 'echoes' });
    people.push(person);
    person.client.awareness.setLocalState({ number: i });
  }
  onTestFinished(() => {
    for (const person of people) person.leave();
  });
  for (const person of people)
    await person.until('all are here', () => person.client.awareness.getStates().size === people.length);
  const [mover] = people;
  if (mover === undefined) throw new Error('nobody moves');
  const seen = (at: number) => (person: RawPerson) =>
    person.client.awareness.getStates().get(mover.client.doc.clientID)?.['at'] === at;
  const move = async (at: number): Promise<void> => {
    mover.client.awareness.setLocalStateField('at', at);
    for (const person of people) await person.until('seen', () => seen(at)(person));
  };
  await move(0);
  const before = await readMetric(server.url, 'inkstream_frames_out_total');
  for (let at = 1; at <= 20; at++) await move(at);
  const out = (await readMetric(server.url, 'inkstream_frames_out_total')) - before;
  expect(out).toBeGreaterThanOrEqual(19 * 20);
  expect(out).toBeLessThanOrEqual(20 * 20);
});

test('YW32: a client that comes back while its old socket lingers is there, and stays when that one ends', async () => {
  const server = await serve();
  const watcher = await openRawPerson({ port: server.port, document: 'lingering' });
  onTestFinished(watcher.leave);
  const frame = awarenessFrame({ client: 42, clock: 7, state: '{"name":"back"}' });
  const old = await openRawClient({ port: server.port, path: '/ws/lingering' });
  old.send(frame);
  const states = watcher.client.awareness.getStates();
  await watcher.until('here', () => states.has(42));
  let isBackHeard = (): void => {};
  const heard = new Promise<void>((resolve) => {
    isBackHeard = resolve;
  });
  const back = await openRawClient({
    port: server.port,
    path: '/ws/lingering',
    onMessage: (message) => message[0] === 1 && isBackHeard(),
  });
  onTestFinished(() => back.drop());
  back.send(frame);
  await heard;
  old.drop();
  await old.closed;
  // Sent after the end of the old socket, and so seen after whatever that did.
  while ((await readMetric(server.url, 'inkstream_sessions')) > 2);
  back.send(awarenessFrame({ client: 43, clock: 1, state: '{}' }));
  await watcher.until('the other', () => states.has(43));
  expect(states.get(42)).toEqual({ name: 'back' });
  back.drop();
  await watcher.until('gone with its owner', () => !states.has(42) && !states.has(43));
});

test('YW33: awareness that does not parse closes its sender alone, and who comes later is not troubled by it', async () => {
  const server = await serve();
  const ann = await join(server, 'ann');
  const bad = await openRawClient({ port: server.port, path: '/ws/presence' });
  bad.send(awarenessFrame({ client: 1, clock: 1, state: '{"name":' }));
  expect((await bad.closed).code).toBe(4400);
  const bob = await join(server, 'bob');
  await bob.sees(are('ann', 'bob'));
  await ann.sees(are('ann', 'bob'));
  expect([ann.closeCodes, bob.closeCodes]).toEqual([[], []]);
});
