/**
 * The environment in which tests start processes, of which a run of all tests starts some three hundred of ours: nothing that is the same in each is worked out
 * again. Types are stripped from a source once (stripped-once.js), and V8 keeps what it has compiled. A test that looks at how a process starts by itself
 * does without (`asInstalled`).
 */

import { fileURLToPath } from 'node:url';

const home = new URL('../../', import.meta.url);

type Environment = Readonly<Record<string, string | undefined>>;

/** To be added to `environment`, which may have options for Node of its own. */
export const briefly = (environment: Environment) => ({
  NODE_OPTIONS: [
    environment['NODE_OPTIONS'],
    // It warns of what it strips with, and tests look at all that a process says.
    '--disable-warning=ExperimentalWarning',
    `--import=${new URL('test/harness/stripped-once.js', home).href}`,
  ]
    .filter((option) => option !== undefined)
    .join(' '),
  NODE_COMPILE_CACHE: fileURLToPath(new URL('node_modules/.compiled', home)),
});

const names: readonly string[] = Object.keys(briefly({}));

/** `environment` without any of it, and without other options for Node, as a process has it that nobody tests. */
export const asInstalled = (environment: Environment): Environment =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => !names.includes(name)));
