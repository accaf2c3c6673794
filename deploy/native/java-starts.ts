/**
 * What Java would do again at every start, done once.
 *
 * A broker is up after five seconds of processor time, and most of those go into reading, checking and linking the same few thousand classes; what
 * stands in for MongoDB is one file of source, which the launcher compiles each time. A run of all tests makes some forty such starts. So the file is
 * compiled into a jar, and the classes that a first start has loaded are kept as Java's class data archive, which later ones map into memory
 * (JEP 350; `-XX:ArchiveClassesAtExit` in the manual of `java`).
 *
 * None of it is needed for a start, so none of it may keep one from happening. An archive fits one Java and one class path, after which it is named; Java
 * itself looks at both again, and goes on without one that is not for it. What can't be made is left out. All is written under another name and renamed, and
 * lies beside the jars, with which it goes.
 */

import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import type { Jars } from '#deploy/native/java-libraries.ts';

const run = promisify(execFile);

const standInSource = join(import.meta.dirname, 'MongoStandIn.java');
const compileMsMax = 60_000;

export type JavaProgram = 'kafka' | 'stand-in';

const hash = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex').slice(0, 12);

/** Java's first compiler and not its second: up for half the processor time, and slower ever after. For what does not live long. */
export const firstCompilerAlone = '-XX:TieredStopAtLevel=1';

/** What is no jar of the class path's. */
const madeFolder = ({ folder }: Pick<Jars, 'folder'>): string => join(folder, 'made');

/** Where the archive of a program's classes is, or would be. */
export const archiveFile = (program: JavaProgram, { classPath, folder, java }: Jars): string =>
  join(madeFolder({ folder }), `${program}-${hash(java + classPath)}.jsa`);

/** What `java` is told to start from the archive of a program; nothing where there is none. */
export function archiveFlags(program: JavaProgram, jars: Jars): readonly string[] {
  const file = archiveFile(program, jars);
  return existsSync(file) ? [`-XX:SharedArchiveFile=${file}`, '-Xshare:auto'] : [];
}

/** What `java` is told to write the classes that it has loaded into a file when it ends. */
export const writingFlags = (file: string): readonly string[] => [`-XX:ArchiveClassesAtExit=${file}`];

/** Other commands than those that are used here. */
export type JavaTools = { readonly javac?: string; readonly jar?: string };

/** Jars, and what `java` is told to run out of them: a class or a file of source. */
export type StandInProgram = Jars & { readonly main: string };

/** The stand-in for MongoDB, compiled by whoever needs it first; as source where that can't be done. Never rejects. */
export async function standInProgram(jars: Jars, tools: JavaTools = {}): Promise<StandInProgram> {
  const asSource: StandInProgram = { ...jars, main: standInSource };
  try {
    const file = join(madeFolder(jars), `stand-in-${hash(jars.java + (await readFile(standInSource, 'utf8')))}.jar`);
    if (!existsSync(file)) await compile(jars, file, tools);
    return { ...jars, classPath: `${jars.classPath}${delimiter}${file}`, main: 'MongoStandIn' };
  } catch {
    return asSource;
  }
}

async function compile({ classPath }: Jars, file: string, { javac = 'javac', jar = 'jar' }: JavaTools): Promise<void> {
  const unfinished = `${file}.${randomUUID()}`;
  const [classes, packed] = [join(unfinished, 'classes'), join(unfinished, 'packed.jar')];
  await mkdir(classes, { recursive: true });
  try {
    await run(javac, ['-cp', classPath, '-d', classes, standInSource], { timeout: compileMsMax });
    await run(jar, ['--create', '--file', packed, '-C', classes, '.'], { timeout: compileMsMax });
    await rename(packed, file);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}
