/** `make bench`: measures this server beside its peers and the floor, in one run, and writes one page. See README.md. */

import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { reasonOf } from '#shared/runtime/reason.ts';
import { clusterKinds } from './clusters.ts';
import { startEngines, type Engines } from './engines.ts';
import { findHighestRate, type HighestRate } from './highest-rate.ts';
import { measure, measureOpening, measureTyping, type Measurement, type Settings } from './measure.ts';
import { measurePersister } from './persister-alone.ts';
import { profilingProbe } from './profile.ts';
import { proveGenerator } from './proof.ts';
import { writeReport, type Run } from './report.ts';
import { benchDir, checkout } from './server-process.ts';
import { makeDataDir, standaloneKinds, type ServerKind } from './servers.ts';
import { round, type Measured } from './table.ts';
import { workloads, type TypingWorkload, type Workload } from './workloads.ts';

const sections = ['standalone', 'cluster', 'rate', 'persister'] as const;
const serverNames = ['inkstream', 'y-websocket', 'hocuspocus', 'floor'] as const;

const usage = `node test/bench/main.ts [--sections cluster,rate] [--only W1,W2] [--servers inkstream,floor] [--rounds 2] [--seconds 5] [--warm-up 5] [--workers 2] [--records 1000000] [--out latest] [--profile]
sections: ${sections.join(' ')} · workloads: ${workloads.map(({ name }) => name).join(' ')} · servers: ${serverNames.join(' ')}
--profile prints where the time goes inside the server (the first gateway of a cluster) instead of measuring it`;

const engineWarmUpSeconds = 20;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

function pick<Name extends string>(all: readonly Name[], names: string | undefined): readonly Name[] {
  if (names === undefined) return all;
  return names.split(',').map((name) => {
    const found = all.find((item) => item === name);
    if (found === undefined) throw new Error(`there is no ${name}\n${usage}`);
    return found;
  });
}

function positive(text: string, name: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} must be a positive number\n${usage}`);
  return value;
}

/** Installs the peers beside the checkout's own packages, as their lockfile says, where it says something else than before. */
function installPeers(): void {
  const wanted = join(import.meta.dirname, 'peers');
  const lockfile = 'package-lock.json';
  const mark = join(benchDir, 'node_modules', '.installed');
  const text = readFileSync(join(wanted, lockfile), 'utf8');
  mkdirSync(benchDir, { recursive: true });
  if (existsSync(mark) && readFileSync(mark, 'utf8') === text) return;
  for (const file of ['package.json', lockfile]) copyFileSync(join(wanted, file), join(benchDir, file));
  const npm = ['ci', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
  execFileSync('npm', npm, { cwd: benchDir, stdio: 'inherit' });
  writeFileSync(mark, text);
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

/** What is measured, how, and what can't be. */
type Choice = {
  readonly workloads: readonly Workload[];
  readonly servers: readonly string[];
  readonly settings: Settings;
  readonly rounds: number;
  readonly leftOut: string[];
};

const chosenOf = (choice: Choice, kinds: readonly ServerKind[]): readonly ServerKind[] =>
  kinds.filter(({ name }) => choice.servers.includes(name));

/** Measures, or says why that could not be done: one server that does not start must not cost the others their rows. */
async function measureOrReport(
  kind: ServerKind,
  workload: Workload,
  { settings, leftOut }: Choice,
): Promise<Measurement | undefined> {
  try {
    return await measure(kind, workload, settings);
  } catch (error) {
    const what = `${workload.name} of ${kind.title} in one round (${reasonOf(error)})`;
    leftOut.push(what);
    print(`left out: ${what}`);
    return undefined;
  }
}

/** Each workload on each server, a different one first each time, so that none always has the quiet or the noisy moment. */
async function measureAll(choice: Choice, servers: readonly ServerKind[], chosen: readonly Workload[]): Promise<Measured> {
  const measurements: (Measurement & { readonly round: number })[] = [];
  for (let number = 1; number <= choice.rounds; number++) {
    for (const [index, workload] of chosen.entries()) {
      const first = (number - 1 + index) % servers.length;
      for (const kind of [...servers.slice(first), ...servers.slice(0, first)]) {
        const measured = await measureOrReport(kind, workload, choice);
        if (measured === undefined) continue;
        measurements.push({ ...measured, round: number });
        print(`round ${number} ${workload.name} ${kind.title}: ${describe(measured)}`);
      }
    }
  }
  return measurements;
}

function describe(measured: Measurement): string {
  const { cpuUs, bytesPerConnection, p50Ms, p99Ms, besideCpuUs } = measured;
  const remarks = [...measured.invalid, ...measured.complaints].join('; ');
  const beside = Object.entries(besideCpuUs).map(([name, us]) => `, ${name} ${round(us)}`);
  const figure =
    cpuUs === undefined
      ? `${round(bytesPerConnection ?? Number.NaN)} bytes a connection`
      : `${round(cpuUs)} µs CPU${beside.join('')}, ${round(p50Ms ?? Number.NaN)} / ${round(p99Ms ?? Number.NaN)} ms`;
  return `${figure}${remarks && ` (${remarks})`}`;
}

async function profileAll({ workloads: chosen, settings }: Choice, servers: readonly ServerKind[]): Promise<void> {
  for (const workload of chosen) {
    for (const kind of servers) {
      print(`\n${workload.name} ${kind.title}`);
      const options = { probe: profilingProbe(print) };
      if (workload.kind === 'typing') await measureTyping(kind, workload, settings, options);
      else if (workload.kind === 'opening') await measureOpening(kind, workload, settings, options);
      else print('nothing to profile');
    }
  }
}

async function proveOrSay(settings: Settings): Promise<Run['proof']> {
  const heaviest = workloads.filter((workload): workload is TypingWorkload => workload.name === 'W1b' || workload.name === 'W3');
  const floor = standaloneKinds().find(({ name }) => name === 'floor');
  if (floor === undefined) throw new Error('there is no floor to prove the generator on');
  const proof = await proveGenerator(floor, heaviest, { ...settings, seconds: 4, warmUpSeconds: 2 });
  for (const { workload, invalid } of proof)
    print(`generator, ${workload}: ${invalid.length === 0 ? 'kept up' : invalid.join('; ')}`);
  return proof;
}

function heaviestInCluster(): TypingWorkload {
  const found = workloads.find((workload): workload is TypingWorkload => workload.name === 'W3');
  if (found === undefined) throw new Error('there is no W3');
  return found;
}

async function findRates(choice: Choice, servers: readonly ServerKind[]): Promise<readonly HighestRate[]> {
  const kind = heaviestInCluster();
  const found: HighestRate[] = [];
  for (const server of servers) {
    const rate = await findHighestRate(server, kind, choice.settings, (trial) =>
      print(`${server.title}, ${round(trial.rate)} edits/s: ${trial.isSustained ? 'sustained' : trial.why.join('; ')}`),
    );
    found.push(rate);
  }
  return found;
}

/** Runs `work` on engines of its own, if they can be had. */
async function withEngines<Result>(leftOut: string[], work: (engines: Engines) => Promise<Result>): Promise<Result | undefined> {
  const dataDir = makeDataDir();
  try {
    const engines = await startEngines(dataDir.path);
    if ('missing' in engines) {
      leftOut.push(`clusters (${engines.missing})`);
      return undefined;
    }
    if (engines.redis === undefined) leftOut.push('Hocuspocus in a cluster (no redis-server on the PATH)');
    try {
      return await work(engines);
    } finally {
      await engines.stop();
    }
  } finally {
    dataDir.remove();
  }
}

/** Java compiles for a minute under load: whoever came first would be measured beside its compiler. */
async function warmUp(engines: Engines, settings: Settings): Promise<void> {
  for (const kind of clusterKinds(engines)) {
    if (kind.name === 'hocuspocus') continue;
    await measureTyping(kind, heaviestInCluster(), { ...settings, seconds: engineWarmUpSeconds, warmUpSeconds: 1 });
    print(`warmed up the engines with ${kind.title}`);
  }
}

type OfClusters = Pick<Run, 'cluster' | 'rates' | 'persister'>;

async function measureClusters(
  choice: Choice,
  chosen: ReadonlySet<string>,
  records: number,
  engines: Engines,
): Promise<OfClusters> {
  const servers = chosenOf(choice, clusterKinds(engines));
  const typing = choice.workloads.filter(({ kind }) => kind === 'typing');
  const { description } = engines;
  // Each of two gateways sees half of the edits.
  const slower = { ...choice, settings: { ...choice.settings, warmUpSeconds: choice.settings.warmUpSeconds * 2 } };
  if (chosen.has('cluster') || chosen.has('rate')) await warmUp(engines, choice.settings);
  return {
    cluster: chosen.has('cluster')
      ? { description, servers, measurements: await measureAll(slower, servers, typing) }
      : undefined,
    rates: chosen.has('rate') ? { servers, found: await findRates(slower, servers) } : undefined,
    persister: chosen.has('persister') ? await measurePersister(engines, records) : undefined,
  };
}

function writeDown(run: Run, out: string): void {
  const report = writeReport(run, workloads);
  const results = join(import.meta.dirname, 'results');
  mkdirSync(results, { recursive: true });
  writeFileSync(join(benchDir, `${out}.json`), `${JSON.stringify(run, undefined, 2)}\n`);
  writeFileSync(join(results, `${out}.md`), report);
  print(`\n${report}`);
}

const options = {
  sections: { type: 'string' },
  only: { type: 'string' },
  servers: { type: 'string' },
  rounds: { type: 'string', default: '2' },
  seconds: { type: 'string', default: '5' },
  'warm-up': { type: 'string', default: '5' },
  workers: { type: 'string', default: '2' },
  records: { type: 'string', default: '1000000' },
  out: { type: 'string', default: 'latest' },
  profile: { type: 'boolean', default: false },
} as const;

async function run(): Promise<void> {
  const { values } = parseArgs({ options });
  const chosen = new Set<string>(pick(sections, values.sections));
  const names = pick(
    workloads.map(({ name }) => name),
    values.only,
  );
  const choice: Choice = {
    workloads: workloads.filter(({ name }) => names.includes(name)),
    servers: pick(serverNames, values.servers ?? (values.profile ? 'inkstream' : undefined)),
    settings: {
      seconds: positive(values.seconds, 'seconds'),
      warmUpSeconds: positive(values['warm-up'], 'warm-up'),
      workers: positive(values.workers, 'workers'),
    },
    rounds: positive(values.rounds, 'rounds'),
    leftOut: [],
  };
  const records = positive(values.records, 'records');
  const { leftOut, settings, rounds } = choice;
  installPeers();
  const ofClusters = [...chosen].some((section) => section !== 'standalone');
  const alone = chosen.has('standalone') ? chosenOf(choice, standaloneKinds()) : undefined;
  if (values.profile) {
    if (alone !== undefined) await profileAll(choice, alone);
    if (chosen.has('cluster'))
      await withEngines(leftOut, (engines) => profileAll(choice, chosenOf(choice, clusterKinds(engines))));
    return;
  }
  const proof = chosen.size === 1 && chosen.has('persister') ? [] : await proveOrSay(settings);
  const standalone =
    alone === undefined ? undefined : { servers: alone, measurements: await measureAll(choice, alone, choice.workloads) };
  const clusters = ofClusters
    ? await withEngines(leftOut, (engines) => measureClusters(choice, chosen, records, engines))
    : undefined;
  writeDown(
    {
      date: new Date().toISOString().slice(0, 16).replace('T', ' '),
      commit: describeCommit(),
      machine: describeMachine(),
      settings: { ...settings, rounds },
      proof,
      standalone,
      ...(clusters ?? { cluster: undefined, rates: undefined, persister: undefined }),
      leftOut,
    },
    values.out,
  );
}

await run();
