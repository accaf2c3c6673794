/** What is deployed by Docker, which few machines that run tests have: as text, and against a stand-in for its command. */

import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createServerByTls } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { changefeedSettings } from '#changefeed/config.ts';
import { brokerSettings, kafkaVersion } from '#deploy/native/kafka.ts';
import { mongodOptions } from '#deploy/native/mongodb.ts';
import { provisionSettings } from '#deploy/provision-settings.ts';
import { gatewaySettings } from '#gateway/config.ts';
import { persisterServiceSettings } from '#persister/config.ts';
import { type Settings, variableName } from '#shared/runtime/config.ts';
import { runCommand } from '#test/harness/local-cluster.ts';
import { temporaryDirectory } from '#test/harness/temporary-directory.ts';

const compose = readFileSync('deploy/compose.yaml', 'utf8');
const dockerfile = readFileSync('deploy/Dockerfile', 'utf8');
const letIn = readFileSync('.dockerignore', 'utf8')
  .split('\n')
  .flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []));

/** The lines of compose.yaml under a key, down to the next one that is no deeper. */
function under(key: string): string {
  const lines = compose.split('\n');
  const start = lines.findIndex((line) => line.trim().replace(/ &\w+$/u, '') === `${key}:`);
  expect(start, key).not.toBe(-1);
  const depth = (line: string): number => line.length - line.trimStart().length;
  const own = depth(lines[start] ?? '');
  const length = lines.slice(start + 1).findIndex((line) => line.trim() !== '' && depth(line) <= own);
  return lines.slice(start + 1, length === -1 ? undefined : start + 1 + length).join('\n');
}

const namesIn = (text: string, prefix: string): readonly string[] => [
  ...new Set([...text.matchAll(new RegExp(String.raw`\b${prefix}_\w+`, 'gu'))].map(([name]) => name)),
];

const strangersTo = (settings: Settings, text: string): readonly string[] => {
  const known = new Set(Object.keys(settings).map(variableName));
  return namesIn(text, 'INKSTREAM').filter((name) => !known.has(name));
};

describe('CL30: what Docker is told is what the rest of the repository says', () => {
  test('CL30: images have the versions that tests and package.json have', () => {
    const { devDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      readonly devDependencies: Readonly<Record<string, string>>;
    };
    expect(/^ARG NODE_IMAGE=node:([\d.]+)-/mu.exec(dockerfile)?.[1]).toBe(devDependencies['node']);
    const images = [...compose.matchAll(/image: (\S+)/gu)].map(([, image = '']) => image);
    const mongo = /'(mongo:[\d.]+)'/u.exec(readFileSync('test/harness/own-mongodb.ts', 'utf8'))?.[1];
    expect(images).toContain(`apache/kafka:${kafkaVersion}`);
    expect(images).toContain(mongo);
    for (const image of images) expect(image).toMatch(/^(?:inkstream:local|\S+:\d+\.\d+\.\d+)$/u);
  });

  test('CL30: broker and database are set as the local ones are', () => {
    const kafka = under('kafka');
    for (const [name, value] of Object.entries(brokerSettings))
      expect(kafka).toContain(`KAFKA_${name.toUpperCase().replaceAll('.', '_')}: '${value}'\n`);
    const command = /command: \[(.*)\]/u.exec(under('mongodb'))?.[1]?.replaceAll("'", '').split(', ');
    expect(command).toEqual(expect.arrayContaining([...mongodOptions]));
  });

  test('CL30: services are given settings that they know', () => {
    const shared = under('x-backing');
    for (const settings of [gatewaySettings, persisterServiceSettings, changefeedSettings, provisionSettings])
      expect(strangersTo(settings, shared)).toEqual([]);
    expect(strangersTo(gatewaySettings, under('x-gateway'))).toEqual([]);
    expect(strangersTo(persisterServiceSettings, under('persister'))).toEqual([]);
    expect(strangersTo(changefeedSettings, under('changefeed'))).toEqual([]);
    const taken = readFileSync('deploy/compose.ts', 'utf8');
    for (const name of namesIn(compose, 'CLUSTER')) expect(taken).toContain(`${name}: `);
    for (const name of namesIn(under('haproxy'), 'BALANCER'))
      expect(readFileSync('deploy/haproxy.cfg', 'utf8')).toContain(`"\${${name}}"`);
  });

  test('CL30: what is ours is not root, writes nothing, and is reached from this machine alone', () => {
    expect(dockerfile).toMatch(/^USER node$/mu);
    for (const key of ['x-ours', 'haproxy']) {
      expect(under(key)).toContain('read_only: true');
      expect(under(key)).toContain('cap_drop: [ALL]');
    }
    for (const [, ports = ''] of compose.matchAll(/ports: \['(.*)'\]/gu)) expect(ports).toMatch(/^127\.0\.0\.1:/u);
    expect(compose).not.toContain('\t');
  });

  test('CL30: the image has all that its programs import, and nothing that is not there', () => {
    for (const path of letIn) expect(existsSync(path), path).toBe(true);
    for (const path of letIn.filter((name) => name.startsWith('deploy/'))) {
      const imported = [...readFileSync(path, 'utf8').matchAll(/from '#(deploy\/\S+)'/gu)].map(([, file = '']) => file);
      expect(letIn).toEqual(expect.arrayContaining(imported));
    }
    const commands = [...compose.matchAll(/command: \[(\S+\.ts)\]/gu)].map(([, file = '']) => file);
    expect(commands).toContain('services/gateway/main.ts');
    for (const file of commands)
      expect(
        letIn.some((path) => file === path || file.startsWith(`${path}/`)),
        file,
      ).toBe(true);
  });
});

/** In the place of `docker`: it writes down what it is told, and knows a process for each part. */
function fakeDocker(lines: readonly string[] = []): { readonly path: string; readonly told: () => string } {
  const directory = temporaryDirectory();
  onTestFinished(directory.remove);
  const log = join(directory.path, 'told');
  writeFileSync(log, '');
  const script = [
    '#!/bin/sh',
    ...lines,
    'for last; do :; done',
    'case "$*" in',
    '  *" ps --quiet "*) echo "container-of-$last" ;;',
    '  inspect*) echo "$last" | wc -c ;;',
    `  *) echo "$CLUSTER_PORT $CLUSTER_GATEWAY_2_PORT $CLUSTER_KAFKA_PORT: $*" >>${log} ;;`,
    'esac',
    '',
  ].join('\n');
  writeFileSync(join(directory.path, 'docker'), script);
  chmodSync(join(directory.path, 'docker'), 0o755);
  return { path: `${directory.path}:${process.env['PATH'] ?? ''}`, told: () => readFileSync(log, 'utf8') };
}

function clusterIn(docker: { readonly path: string }, settings: Readonly<Record<string, string>> = {}) {
  const directory = temporaryDirectory();
  onTestFinished(directory.remove);
  return (command: 'up' | 'down', more: Readonly<Record<string, string>> = {}) =>
    runCommand('deploy/cluster.ts', [command], { CLUSTER_DIR: directory.path, ...settings, ...more }, { PATH: docker.path });
}

test('CL29: where a Docker daemon answers the cluster is up in it, with the same ready line, and down with its data kept', async () => {
  const docker = fakeDocker();
  const run = clusterIn(docker, { CLUSTER_PORT: '7000', CLUSTER_KAFKA_PORT: '7100', CLUSTER_MONGODB_PORT: '7200' });
  const { code, stdout, stderr } = await run('up');
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const pidOf = (name: string): number => `container-of-${name}\n`.length;
  const names = ['kafka', 'mongodb', 'persister', 'changefeed', 'gateway-1', 'gateway-2', 'haproxy'];
  expect(JSON.parse(/^ready (.*)\n$/u.exec(stdout)?.[1] ?? '')).toEqual({
    service: 'cluster',
    urls: ['http://127.0.0.1:7001', 'http://127.0.0.1:7002'],
    loadBalancer: 'http://127.0.0.1:7000',
    kafka: '127.0.0.1:7100',
    mongodb: 'mongodb://127.0.0.1:7200/inkstream?directConnection=true',
    pids: Object.fromEntries(names.map((name) => [name, pidOf(name)])),
  });
  expect(docker.told()).toMatch(/^7000 7002 7100: compose --file \S+compose\.yaml up --detach --build --wait/mu);

  const other = await run('up', { CLUSTER_ON: 'processes' });
  expect(other.code).toBe(1);
  expect(other.stderr).toContain('the cluster is up on docker');
  expect((await run('down')).code).toBe(0);
  expect(docker.told()).toMatch(/compose\.yaml down --timeout \d+$/mu);
  expect((await run('down')).stderr).toContain('no cluster is up');
});

test('CL29: what is missing of Docker is said where it was asked for, and so is that compose failed', async () => {
  const run = (...lines: readonly string[]) => clusterIn(fakeDocker(lines), { CLUSTER_ON: 'docker' })('up');
  const noDaemon = await run('[ "$1" = version ] && exit 1');
  expect(noDaemon).toMatchObject({ code: 1, stdout: '' });
  expect(noDaemon.stderr).toContain('no Docker daemon answers');
  const noCompose = await run('[ "$*" = "compose version" ] && exit 1');
  expect(noCompose).toMatchObject({ code: 1, stdout: '' });
  expect(noCompose.stderr).toContain('compose plugin');
  const failing = await run('case "$*" in *" up "*) echo no such image >&2; exit 17 ;; esac');
  expect(failing).toMatchObject({ code: 1, stdout: '' });
  expect(failing.stderr).toMatch(/no such image\ndocker compose up ended with 17/u);
});

async function listen(server: Server, host: string): Promise<string> {
  server.listen(0, host);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return String((server.address() as AddressInfo).port);
}

const check = async (settings: Readonly<Record<string, string>>): Promise<number | null> =>
  (await runCommand('deploy/health-check.ts', [], settings)).code;

test('CL31: who answers is alive, who answers wrongly or not at all is not', async () => {
  let status = 200;
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    response.writeHead(status).end();
  });
  const port = await listen(server, '127.0.0.1');
  expect(await check({ PORT: port })).toBe(0);
  expect(await check({ PORT: port, HOST: '0.0.0.0' })).toBe(0);
  status = 500;
  expect(await check({ PORT: port })).toBe(1);
  expect(asked).toEqual(['/healthz', '/healthz', '/healthz']);
  server.close();
  await once(server, 'close');
  expect(await check({ PORT: port })).toBe(1);
});

test('CL31: one that speaks TLS is asked by TLS, whatever its certificate says', async ({ skip }) => {
  skip(spawnSync('openssl', ['version']).status !== 0, 'no openssl on the PATH to make a certificate with');
  const directory = temporaryDirectory();
  onTestFinished(directory.remove);
  const [keyFile, certFile] = [join(directory.path, 'key.pem'), join(directory.path, 'cert.pem')];
  const subject = ['-subj', '/CN=elsewhere.example', '-days', '2'];
  const words = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', keyFile, '-out', certFile, ...subject];
  execFileSync('openssl', words, { stdio: 'ignore' });
  const files = { key: readFileSync(keyFile), cert: readFileSync(certFile) };
  const port = await listen(
    createServerByTls(files, (_, response) => response.end()),
    '127.0.0.1',
  );
  expect(await check({ PORT: port, TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile })).toBe(0);
  expect(await check({ PORT: port })).toBe(1);
});
