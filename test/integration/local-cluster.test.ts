/** `make up` and `make down`: the real programs, in a directory and on ports of their own. */

import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type ClusterReady, readRecord } from '#deploy/cluster-record.ts';
import { balancerAtHand } from '#deploy/native/parts.ts';
import { javaLibraries } from '#deploy/native/java-libraries.ts';
import { databaseAtHand } from '#deploy/native/mongodb.ts';
import { identify } from '#deploy/native/process-identity.ts';
import { localCluster } from '#test/harness/local-cluster.ts';
import { type Client, openClient } from '#test/harness/y-websocket-client.ts';

/** Two starts and two ends of everything. */
const runMsMax = 300_000;

async function leaveOutWithout(skip: (condition: boolean, reason: string) => void): Promise<void> {
  const libraries = await javaLibraries();
  if (libraries.kind === 'missing') skip(true, libraries.reason);
  const database = await databaseAtHand();
  if (typeof database === 'object') skip(true, database.missing);
}

const alive = ({ pids }: ClusterReady): readonly string[] =>
  Object.entries(pids).flatMap(([name, pid]) => (identify(pid) === undefined ? [] : [name]));

const wsOf = (url: string): string => `${url.replace('http', 'ws')}/ws`;

type Person = Client & { readonly document: string; readonly disconnected: () => number };

function open(url: string, document: string): Person {
  let disconnected = 0;
  const client = openClient({ url: wsOf(url), document, onDisconnected: () => disconnected++ });
  onTestFinished(() => client.discard());
  return { ...client, document, disconnected: () => disconnected };
}

/** What a newcomer at `url` finds, once that is `text`. */
const find = async (url: string, document: string, text: string): Promise<void> => {
  const client = open(url, document);
  await client.synced();
  await client.until(`${text} in ${document} at ${url}`, () => client.text.toJSON() === text);
  client.discard();
};

/** Three people on one document, each by another way in. */
async function meet({ urls, loadBalancer }: ClusterReady): Promise<readonly Person[]> {
  const people = [...urls, loadBalancer ?? ''].map((url) => open(url, 'met'));
  for (const [index, person] of people.entries()) {
    await person.synced();
    person.text.insert(0, String(index));
    await person.saved();
  }
  await Promise.all(people.map((person) => person.until('what all typed', () => person.text.length === people.length)));
  expect(new Set(people.map(({ text }) => text.toJSON())).size).toBe(1);
  return people;
}

/** People on documents of their own behind the load balancer type on while one of the gateways is killed. Afterwards each has `before and after`. */
async function loseGateway({ urls, loadBalancer, pids }: ClusterReady): Promise<readonly Person[]> {
  const people = Array.from({ length: 12 }, (_, index) => open(loadBalancer ?? '', `team-${index}`));
  for (const person of people) person.text.insert(0, 'before ');
  await Promise.all(people.map((person) => person.saved()));
  process.kill(pids['gateway-1'] ?? 0, 'SIGKILL');
  const isMoved = (person: Person): boolean => person.disconnected() > 0;
  await Promise.race(people.map((person) => person.until('a connection that is lost', () => isMoved(person))));
  for (const person of people) person.text.insert(person.text.length, 'and after');
  await Promise.all(people.map((person) => person.saved()));
  await Promise.all(people.map(({ document }) => find(urls[1] ?? '', document, 'before and after')));
  const moved = people.filter(isMoved).length;
  expect(moved).toBeGreaterThan(0);
  expect(moved).toBeLessThan(people.length);
  return people;
}

test(
  'CL22, CL25 and CL26: people meet across gateways, carry on when one is killed, and find everything after down and up',
  { timeout: runMsMax },
  async ({ skip }) => {
    await leaveOutWithout(skip);
    const balancer = await balancerAtHand();
    skip(balancer !== 'here', balancer === 'here' ? '' : balancer.missing);
    const cluster = await localCluster();
    onTestFinished(() => cluster.remove());
    const first = await cluster.up();
    const { port } = cluster;
    expect(first.urls).toEqual([`http://127.0.0.1:${port + 1}`, `http://127.0.0.1:${port + 2}`]);
    expect(first.loadBalancer).toBe(`http://127.0.0.1:${port}`);
    expect(alive(first).toSorted()).toEqual(['changefeed', 'gateway-1', 'gateway-2', 'haproxy', 'kafka', 'mongodb', 'persister']);
    const again = await cluster.run('up');
    expect(again).toMatchObject({ code: 0, stdout: `ready ${JSON.stringify(first)}\n` });
    expect(again.stderr).toContain('up already');

    const people = [...(await meet(first)), ...(await loseGateway(first))];
    const repaired = await cluster.up();
    expect(repaired.pids['gateway-1']).not.toBe(first.pids['gateway-1']);
    const { 'gateway-1': _, ...others } = first.pids;
    expect(repaired).toMatchObject({ ...first, pids: others });
    await find(first.urls[0] ?? '', 'team-0', 'before and after');

    for (const person of people) person.discard();
    const down = await cluster.run('down');
    expect(down).toMatchObject({ code: 0, stdout: '' });
    expect(down.stderr).toContain(cluster.directory);
    expect(down.stderr).not.toContain('killed');
    expect(alive(repaired)).toEqual([]);

    const { loadBalancer } = await cluster.up();
    const kept = people.filter(({ document }) => document !== 'met');
    await Promise.all(kept.map(({ document }) => find(loadBalancer ?? '', document, 'before and after')));
  },
);

test('CL24: what is wrong with settings is told before anything is started', async () => {
  const cluster = await localCluster();
  onTestFinished(() => cluster.remove());
  const taken = createServer().listen(cluster.port + 1, '127.0.0.1');
  onTestFinished(() => void taken.close());
  const up = await cluster.run('up');
  expect(up).toMatchObject({ code: 1, stdout: '' });
  expect(up.stderr).toContain(`port ${cluster.port + 1}, which gateway-1 needs, is taken by another program`);
  expect(up.stderr).toContain('INKSTREAM_CLUSTER_PORT');
  expect(readRecord(cluster.directory)).toBeUndefined();

  const misspelt = await cluster.run('up', { CLUSTER_PROT: '8080' });
  expect(misspelt).toMatchObject({ code: 2, stdout: '' });
  expect(misspelt.stderr).toContain('INKSTREAM_CLUSTER_PROT');
  const twice = await cluster.run('up', { CLUSTER_KAFKA_PORT: String(cluster.port + 3) });
  expect(twice).toMatchObject({ code: 2, stdout: '' });
  expect(twice.stderr).toContain('INKSTREAM_CLUSTER_KAFKA_PORT');
  const nothing = await cluster.run('down');
  expect(nothing).toMatchObject({ code: 0, stdout: '' });
  expect(nothing.stderr).toContain('no cluster is up');
});

test('CL24: where a part does not start, what was started for it is ended again', async ({ skip }) => {
  await leaveOutWithout(skip);
  const cluster = await localCluster();
  onTestFinished(() => cluster.remove());
  writeFileSync(join(cluster.directory, 'kafka'), 'not a directory');
  const up = await cluster.run('up');
  expect(up).toMatchObject({ code: 1, stdout: '' });
  expect(up.stderr).toContain(join(cluster.directory, 'kafka'));
  expect(up.stderr).toContain('mongodb has ended');
  expect(readRecord(cluster.directory)?.processes).toEqual({});
});

test('CL23: a process that has the number of one of ours is neither taken for it nor ended', async () => {
  const cluster = await localCluster();
  onTestFinished(() => cluster.remove());
  const child = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1_000)']);
  onTestFinished(() => void child.kill('SIGKILL'));
  const stranger = identify(child.pid ?? 0);
  expect(stranger).toBeDefined();
  const processes = { kafka: { pid: child.pid, began: 'before it' } };
  const ports = { balancer: 1, gateways: [2, 3], persister: 4, changefeed: 5, kafka: 6, mongodb: 7 };
  const record = { kind: 'inkstream-cluster', version: 1, on: 'processes', ports, mongodbUrl: '', processes };
  writeFileSync(join(cluster.directory, 'cluster.json'), JSON.stringify(record));
  const down = await cluster.run('down');
  expect(down).toMatchObject({ code: 0 });
  expect(down.stderr).toContain('kafka was gone already');
  expect(identify(child.pid ?? 0)).toEqual(stranger);
  expect(JSON.parse(readFileSync(join(cluster.directory, 'cluster.json'), 'utf8'))).toMatchObject({ processes: {} });
});
