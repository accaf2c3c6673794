/**
 * Java, and the jars of the engines that run on it.
 *
 * Kafka is published as jars, and its tarball is those jars with shell scripts around them; so Maven, which comes from every distribution,
 * is all that a real broker takes. The jars are copied once, into a folder named after the hash of `pom.xml`: the folder is there whole
 * or not at all, since it is filled under another name and then renamed, and whoever comes second throws his copy away. A changed pom is
 * another folder.
 */

import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const pom = join(import.meta.dirname, 'pom.xml');
const localHome = resolve(import.meta.dirname, '../../.local/java');
const copyDependencies = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';
const javaVersionMin = 17;
const attemptsMax = 3;
const fetchMsMax = 300_000;

export type Jars = {
  readonly kind: 'here';
  /** All of them, by name, always in the same order. */
  readonly classPath: string;
  /** Where they are. */
  readonly folder: string;
  /** The Java that they run on: its version, and the modules that it has. */
  readonly java: string;
};

/** The jars, or what has to be installed before they can be had. */
export type JavaLibraries = Jars | { readonly kind: 'missing'; readonly reason: string };

/** Other commands and another folder than those that are used here. */
export type JavaPlaces = { readonly java?: string; readonly maven?: string; readonly home?: string };

/**
 * The class path of Kafka and of the stand-in for MongoDB; fetches the jars if they are not there yet (some 50 MB, some seconds).
 * Resolves with a reason where there is no Java 17 or later with its compiler, or no Maven, or where Maven can't get them.
 */
export async function javaLibraries({ java = 'java', maven = 'mvn', home = localHome }: JavaPlaces = {}): Promise<JavaLibraries> {
  const modules = await modulesOf(java);
  const reason = javaMissing(modules);
  if (reason !== undefined) return { kind: 'missing', reason };
  const version = createHash('sha256')
    .update(await readFile(pom))
    .digest('hex')
    .slice(0, 12);
  const folder = join(home, version);
  if (!existsSync(folder)) {
    const failure = await fetchJars(maven, folder);
    if (failure !== undefined) return { kind: 'missing', reason: failure };
  }
  const jars = (await readdir(folder)).filter((name) => name.endsWith('.jar')).toSorted();
  return { kind: 'here', classPath: jars.map((name) => join(folder, name)).join(delimiter), folder, java: modules };
}

const modulesOf = (java: string): Promise<string> =>
  run(java, ['--list-modules']).then(
    ({ stdout }) => stdout,
    () => '',
  );

function javaMissing(modules: string): string | undefined {
  const wanted = `a JDK of version ${javaVersionMin} or later`;
  if (modules === '') return `no java on the PATH: install ${wanted}`;
  const version = Number(/^java\.base@(\d+)/mu.exec(modules)?.[1]);
  if (!(version >= javaVersionMin)) return `the java on the PATH has version ${version}: install ${wanted}`;
  if (!/^jdk\.compiler@/mu.test(modules)) return `the java on the PATH has no compiler: install ${wanted}`;
  return undefined;
}

async function fetchJars(maven: string, folder: string): Promise<string | undefined> {
  const unfinished = `${folder}.${randomUUID()}`;
  await mkdir(unfinished, { recursive: true });
  const args = ['--quiet', '--batch-mode', '--file', pom, copyDependencies];
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        await run(maven, [...args, '-DincludeScope=runtime', `-DoutputDirectory=${unfinished}`], { timeout: fetchMsMax });
        break;
      } catch (error) {
        const { code, stdout = '' } = error as NodeJS.ErrnoException & { stdout?: string };
        if (code === 'ENOENT') return 'no mvn on the PATH: install Maven';
        if (attempt === attemptsMax) return `Maven could not fetch the jars: ${firstError(stdout)}`;
      }
    }
    await rename(unfinished, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return undefined;
}

const firstError = (output: string): string =>
  output
    .split('\n')
    .find((line) => line.includes('ERROR'))
    ?.trim() ?? 'it did not say why';
