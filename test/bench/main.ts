/** `make bench`: measures this server beside its peers and the floor, in one run, and writes one table. See README.md. */

import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measure, measureOpening, measureTyping, type Measurement, type Settings } from './measure.ts';
import { profilingProbe } from './profile.ts';
import { proveGenerator } from './proof.ts';
import { writeReport, type Run } from './report.ts';
import { benchDir, checkout, serverKinds, versionOf, type ServerKind } from './servers.ts';
import { workloads, type TypingWorkload, type Workload } from './workloads.ts';

const usage = `node test/bench/main.ts [--only W1,W2] [--servers inkstream,floor] [--rounds 2] [--seconds 5] [--warm-up 5] [--workers 2] [--out latest] [--profile]
workloads: ${workloads.map(({ name }) => name).join(' ')} · servers: ${serverKinds.map(({ name }) => name).join(' ')}
--profile prints where the time goes inside the server instead of measuring it`;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

function pick<Item extends { readonly name: string }>(all: readonly Item[], names: string | undefined): readonly Item[] {
  if (names === undefined) return all;
  return names.split(',').map((name) => {
    const found = all.find((item) => item.name === name);
    if (found === undefined) throw new Error(`there is no ${name}\n${usage}`);
    return found;
  });
}

function positive(text: string, name: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} must be a positive number\n${usage}`);
  return value;
}

/** Installs the peers beside the checkout's own packages, once, as their lockfile says. */
function installPeers(): void {
  mkdirSync(benchDir, { recursive: true });
  if (existsSync(join(benchDir, 'node_modules/@hocuspocus/server'))) return;
  for (const file of ['package.json', 'package-lock.json'])
    copyFileSync(join(import.meta.dirname, 'peers', file), join(benchDir, file));
  const npm = ['ci', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
  execFileSync('npm', npm, { cwd: benchDir, stdio: 'inherit' });
}

const git = (...command: string[]): string => execFileSync('git', command, { cwd: checkout, encoding: 'utf8' }).trim();

function describeCommit(): string {
  const changed = git('status', '--porcelain', '--', 'services', 'shared', 'test/bench', ':!test/bench/results');
  return `${git('rev-parse', '--short', 'HEAD')}${changed === '' ? '' : ' with changes'}`;
}

function describeMachine(): string {
  const model = cpus()[0]?.model ?? 'unknown processor';
  return `${availableParallelism()} cores (${model}), ${Math.round(totalmem() / 2 ** 30)} GB, Linux ${release()}, Node ${process.versions.node}`;
}

/** Measures, or says why that could not be done: one server that does not start must not cost the others their rows. */
async function measureOrReport(kind: ServerKind, workload: Workload, settings: Settings): Promise<Measurement | undefined> {
  try {
    return await measure(kind, workload, settings);
  } catch (error) {
    print(`${workload.name} ${kind.name}: could not be measured: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

/** Each workload on each server, a different one first each time, so that none always has the quiet or the noisy moment. */
async function measureAll(
  chosen: readonly Workload[],
  servers: readonly ServerKind[],
  settings: Settings,
  rounds: number,
): Promise<Run['measurements']> {
  const measurements: (Measurement & { readonly round: number })[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const [number, workload] of chosen.entries()) {
      const first = (round - 1 + number) % servers.length;
      for (const kind of [...servers.slice(first), ...servers.slice(0, first)]) {
        const measured = await measureOrReport(kind, workload, settings);
        if (measured === undefined) continue;
        measurements.push({ ...measured, round });
        const figure = measured.cpuUs ?? measured.bytesPerConnection;
        const remarks = [...measured.invalid, ...measured.complaints].join('; ');
        const unit = measured.cpuUs === undefined ? 'bytes a connection' : 'µs CPU';
        print(
          `round ${round} ${workload.name} ${kind.name}: ${Math.round(figure ?? Number.NaN)} ${unit}${remarks && ` (${remarks})`}`,
        );
      }
    }
  }
  return measurements;
}

async function profileAll(chosen: readonly Workload[], servers: readonly ServerKind[], settings: Settings): Promise<void> {
  for (const workload of chosen) {
    for (const kind of servers) {
      print(`\n${workload.name} ${kind.name}`);
      const options = { probe: profilingProbe(print) };
      if (workload.kind === 'typing') await measureTyping(kind, workload, settings, options);
      else if (workload.kind === 'opening') await measureOpening(kind, workload, settings, options);
      else print('nothing to profile');
    }
  }
}

async function run(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      servers: { type: 'string' },
      rounds: { type: 'string', default: '2' },
      seconds: { type: 'string', default: '5' },
      'warm-up': { type: 'string', default: '5' },
      workers: { type: 'string', default: '2' },
      out: { type: 'string', default: 'latest' },
      profile: { type: 'boolean', default: false },
    },
  });
  const chosen = pick(workloads, values.only);
  const settings: Settings = {
    seconds: positive(values.seconds, 'seconds'),
    warmUpSeconds: positive(values['warm-up'], 'warm-up'),
    workers: positive(values.workers, 'workers'),
  };
  installPeers();
  if (values.profile) return profileAll(chosen, pick(serverKinds, values.servers ?? 'inkstream'), settings);

  const servers = pick(serverKinds, values.servers);
  const rounds = positive(values.rounds, 'rounds');
  const heaviest = workloads.filter((workload): workload is TypingWorkload => workload.name === 'W1b' || workload.name === 'W3');
  const proof = await proveGenerator(heaviest, { ...settings, seconds: 4, warmUpSeconds: 2 });
  for (const { workload, invalid } of proof)
    print(`generator, ${workload}: ${invalid.length === 0 ? 'kept up' : invalid.join('; ')}`);
  const result: Run = {
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    commit: describeCommit(),
    machine: describeMachine(),
    versions: Object.fromEntries(servers.map(({ name }) => [name, versionOf(name)])),
    settings: { ...settings, rounds },
    proof,
    measurements: await measureAll(chosen, servers, settings, rounds),
  };
  const report = writeReport(result, chosen, servers);
  const results = join(import.meta.dirname, 'results');
  mkdirSync(results, { recursive: true });
  writeFileSync(join(benchDir, `${values.out}.json`), `${JSON.stringify(result, undefined, 2)}\n`);
  writeFileSync(join(results, `${values.out}.md`), report);
  print(`\n${report}`);
}

await run();
