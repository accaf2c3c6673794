/**
 * Types are stripped from a source once, and not by each of the hundreds of processes that a run of all tests starts. For `node --import`.
 *
 * Node strips them at every start, anew, which is two fifths of what a start of ours takes; its compile cache keeps compiled code, and not what was stripped.
 * What Node would make of a source is kept under the hash of that source and of Node's version, so a file that was changed is another one. Nothing
 * depends on it: what can't be kept is stripped again.
 *
 * It is JavaScript since it comes before whatever strips types.
 */

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { registerHooks, stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const directory = join(import.meta.dirname, '../../node_modules/.stripped');

/** @type {(file: string) => string | undefined} */
function kept(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** Under another name first: others read it at any time. @type {(file: string, stripped: string) => void} */
function keep(file, stripped) {
  try {
    mkdirSync(directory, { recursive: true });
    writeFileSync(`${file}.${process.pid}`, stripped);
    renameSync(`${file}.${process.pid}`, file);
  } catch {}
}

registerHooks({
  load(url, context, nextLoad) {
    if (!url.startsWith('file:') || !url.endsWith('.ts')) return nextLoad(url, context);
    const source = readFileSync(fileURLToPath(url), 'utf8');
    const file = join(directory, createHash('sha256').update(process.version).update(source).digest('hex'));
    const before = kept(file);
    const stripped = before ?? stripTypeScriptTypes(source);
    if (before === undefined) keep(file, stripped);
    return { format: 'module', source: stripped, shortCircuit: true };
  },
});
