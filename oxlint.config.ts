/**
 * What the linter holds this repository to.
 *
 * The layout is worth what it forbids: `runtime ← document, wire, auth ← journal, store ← mirror ← services`, no service imports another (but for
 * standalone, which composes them), and each vendor is known in one place, so that replacing it, or reading what it does to us, is
 * reading one file. Both are tables here, and every `no-restricted-imports` below is derived from them. `test/unit/lint.test.ts` shows that each bites.
 */

import assert from 'node:assert/strict';
import type { OxlintConfig } from 'oxlint';

/** Where a package may be imported: files and folders. A package that is not here may be imported anywhere (lib0). */
export const vendorHomes: Readonly<Record<string, readonly string[]>> = {
  'uWebSockets.js': ['services/gateway/edge.ts', 'test/bench'],
  lmdb: ['shared/runtime/lmdb.ts'],
  'jsonc-parser': ['shared/wire/json-value.ts'],
  zod: ['shared/runtime/config.ts'],
  pino: ['shared/runtime/telemetry.ts'],
  'prom-client': ['shared/runtime/metrics.ts'],
  kafkajs: ['shared/journal/kafka', 'test/harness/raw-kafka.ts', 'test/unit/journal/kafka.test.ts', 'test/bench'],
  mongodb: ['shared/store/mongo', 'deploy/native/mongodb.ts', 'test'],
  yjs: ['shared/document', 'services/pages', 'test'],
  'y-protocols': ['services/pages', 'test'],
  'y-websocket': ['services/pages', 'test'],
  'y-indexeddb': ['services/pages'],
  'y-codemirror.next': ['services/pages'],
  '@codemirror': ['services/pages'],
  vite: ['services/pages', 'test/browser'],
  'y-prosemirror': ['test'],
  ws: ['test'],
  testcontainers: ['test/harness'],
  'fast-check': ['test'],
  'playwright-core': ['test'],
  vitest: ['test'],
};

/** The layers of `shared/`, lowest first: a folder may import its own layer and those below it. Every service may import all of them. */
const layers: readonly (readonly string[])[] = [['runtime'], ['document', 'wire', 'auth'], ['journal', 'store'], ['mirror']];

const services = ['gateway', 'persister', 'changefeed', 'standalone', 'pages'] as const;

type Restriction = { readonly regex: string; readonly message: string };

const escaped = (text: string): string => text.replaceAll(/[.@/]/gu, String.raw`\$&`);

function strangersTo(place: string): readonly Restriction[] {
  return Object.entries(vendorHomes)
    .filter(([, homes]) => !homes.some((home) => place === home || place.startsWith(`${home}/`)))
    .map(([vendor, homes]) => ({
      regex: `^${escaped(vendor)}($|/)`,
      message: `${vendor} is imported in ${homes.join(', ')} alone.`,
    }));
}

function sharedClosedTo(folder: string): readonly string[] {
  if (folder === 'services/pages') return layers.flat().filter((name) => name !== 'wire');
  const layer = layers.findIndex((names) => names.some((name) => folder === `shared/${name}`));
  return layer === -1 ? [] : layers.slice(layer + 1).flat();
}

function againstTheArrows(folder: string): readonly Restriction[] {
  const found = sharedClosedTo(folder).map((name) => ({
    regex: `^#shared/${name}/`,
    message: `${folder} does not import shared/${name}.`,
  }));
  if (folder === 'test') {
    const named =
      'shared|deploy|services/(gateway|persister|pages)|test|harness|unit|contract|simulation|integration|browser|bench|chaos';
    found.push({
      regex: String.raw`^(\.\./)+(${named})/`,
      message: 'Across folders import by #shared/…, #gateway/… and the like.',
    });
  } else {
    found.push({ regex: String.raw`^\.\./\.\./`, message: 'Across folders import by #shared/….' });
    found.push({ regex: '^#test/', message: 'Only tests import tests.' });
  }
  if (folder !== 'test' && folder !== 'deploy') {
    found.push({ regex: String.raw`^(#|(\.\./)+)deploy/`, message: 'What is deployed does not know how.' });
  }
  if (folder.startsWith('shared/')) {
    found.push({ regex: String.raw`^\.\./(${layers.flat().join('|')})/`, message: 'Across folders import by #shared/….' });
  }
  if (folder !== 'test' && folder !== 'services/standalone') {
    const others = services.filter((name) => folder !== `services/${name}`).join('|');
    found.push({
      regex: String.raw`^(#|\.\./)(${others})/`,
      message: 'Services are imported by none but standalone, which composes them.',
    });
  }
  if (folder === 'services/pages') found.push({ regex: '^node:', message: 'Pages run in a browser.' });
  return found;
}

const folders = [
  ...layers.flat().map((name) => `shared/${name}`),
  ...services.map((name) => `services/${name}`),
  'deploy',
  'test',
];
// What is further in comes later, and counts.
const otherHomes = [...new Set(Object.values(vendorHomes).flat())]
  .filter((home) => !folders.includes(home))
  .toSorted((one, other) => one.length - other.length);

/** `place` is a folder, or a file in one that is home to a vendor: then it has the folder's arrows, and that vendor besides. */
function importsOf(place: string): { readonly files: string[]; readonly rules: NonNullable<OxlintConfig['rules']> } {
  const folder = folders.find((name) => place === name || place.startsWith(`${name}/`));
  assert(folder !== undefined, `${place} is in no folder of the layout`);
  return {
    files: [place.endsWith('.ts') ? place : `${place}/**`],
    rules: { 'no-restricted-imports': ['error', { patterns: [...strangersTo(place), ...againstTheArrows(folder)] }] },
  };
}

export default {
  plugins: ['typescript', 'unicorn', 'oxc', 'import', 'promise', 'node', 'vitest'],
  options: { typeAware: true, reportUnusedDisableDirectives: 'error', denyWarnings: true },
  ignorePatterns: ['services/pages/dist', '.local'],
  categories: { correctness: 'error', suspicious: 'error' },
  rules: {
    // Two kinds of failure, never mixed; nothing floats, every switch knows all its cases.
    'typescript/switch-exhaustiveness-check': 'error',
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': 'error',
    'typescript/only-throw-error': 'error',
    'typescript/prefer-promise-reject-errors': 'error',
    'typescript/return-await': 'error',
    'typescript/use-unknown-in-catch-callback-variable': 'error',
    'no-promise-executor-return': 'off',
    eqeqeq: 'error',
    'array-callback-return': 'error',
    'no-fallthrough': 'error',
    'no-self-compare': 'error',
    'no-param-reassign': 'error',
    radix: 'error',
    'no-var': 'error',
    'prefer-const': 'error',

    // Types say what is there.
    'typescript/no-explicit-any': 'error',
    'typescript/no-unsafe-argument': 'error',
    'typescript/no-unsafe-assignment': 'error',
    'typescript/no-unsafe-call': 'error',
    'typescript/no-unsafe-member-access': 'error',
    'typescript/no-unsafe-return': 'error',
    'typescript/no-non-null-assertion': 'error',
    'typescript/ban-ts-comment': 'error',
    'typescript/no-namespace': 'error',
    'typescript/parameter-properties': 'error',
    'typescript/consistent-type-imports': 'error',
    'typescript/consistent-type-definitions': ['error', 'type'],
    'typescript/array-type': 'error',
    'typescript/prefer-readonly': 'error',
    'typescript/prefer-nullish-coalescing': 'error',
    'typescript/restrict-plus-operands': 'error',
    'typescript/no-deprecated': 'error',
    // Branded types are made by an assertion after a check; "unsafe" is every one of these.
    'typescript/no-unsafe-type-assertion': 'off',

    // Modules: named exports, no barrels, no cycles.
    'import/no-default-export': 'error',
    'import/first': 'error',
    'import/no-cycle': 'error',
    'import/no-mutable-exports': 'error',
    'import/no-namespace': 'off',
    'import/no-commonjs': 'error',
    'oxc/no-barrel-file': ['error', { threshold: 0 }],
    'unicorn/prefer-node-protocol': 'error',
    'unicorn/filename-case': ['error', { case: 'kebabCase' }],
    'no-duplicate-imports': ['error', { allowSeparateTypeImports: true }],

    // Size: what does not fit on a page is two things.
    'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true, IIFEs: true }],
    'max-depth': ['error', 4],
    'max-statements': ['error', { max: 35 }],

    // Time and the outer world come in by parameters.
    'no-console': 'error',
    'typescript/no-require-imports': 'error',

    // Where our taste differs from the category's.
    'no-underscore-dangle': 'off',
    'no-await-in-loop': 'off',
    'import/no-unassigned-import': 'off',
    'unicorn/consistent-function-scoping': 'off',
    'promise/always-return': 'off',
    'no-shadow': 'off',
    // `while (!stopped)` with a `stopped` that another function sets, and a copy of a set that its own loop changes, are right as they are.
    'no-unmodified-loop-condition': 'off',
    'unicorn/no-useless-spread': 'off',
    'promise/no-promise-in-callback': 'off',
    'import/no-named-as-default-member': 'off',
    'typescript/no-base-to-string': ['error', { ignoredTypeNames: ['YText', 'Text'] }],
    'typescript/no-misused-spread': ['error', { allow: ['string'] }],
    // The compiler's noImplicitReturns says it better.
    'typescript/consistent-return': 'off',
  },
  overrides: [
    { files: ['services/**/*.ts', 'shared/**/*.ts'], rules: { 'node/no-process-env': 'error' } },
    {
      files: [
        'services/{gateway,persister,changefeed,standalone}/**/*.ts',
        'shared/{document,wire,auth,journal,store,mirror}/**/*.ts',
      ],
      rules: {
        'no-restricted-globals': [
          'error',
          ...['setTimeout', 'setInterval'].map((name) => ({ name, message: 'Wait on a Clock (shared/runtime/clock.ts).' })),
        ],
      },
    },
    { files: ['services/*/main.ts', 'services/persister/dead-letters.ts'], rules: { 'node/no-process-env': 'off' } },
    { files: ['*.config.ts', 'services/pages/vite.config.ts'], rules: { 'import/no-default-export': 'off' } },
    { files: ['services/pages/**/*.ts'], rules: { 'no-console': ['error', { allow: ['warn', 'error'] }] } },
    {
      // An adapter is one closure that returns its port: as long as the port is, while each function in it is short.
      files: ['shared/{journal,store}/{memory,embedded,memory-mirrors,embedded-mirrors}.ts', 'shared/runtime/lmdb.ts'],
      rules: { 'max-lines-per-function': ['error', { max: 150, skipBlankLines: true, skipComments: true }] },
    },
    {
      files: ['test/**/*.ts'],
      rules: {
        // A suite is one function with many tests in it; a test may look inside what it was given.
        'max-lines-per-function': 'off',
        'no-console': 'off',
        'vitest/no-focused-tests': 'error',
        'vitest/no-identical-title': 'error',
        'vitest/no-disabled-tests': 'error',
        // Contract suites and simulations expect in functions of their own, and say in `expect(value, message)` which seed it was.
        'vitest/expect-expect': 'off',
        'vitest/no-standalone-expect': 'off',
        'vitest/no-conditional-expect': 'off',
        // Where an engine can't be had, a test that says so stands in the place of its contract.
        'vitest/no-conditional-tests': 'off',
        'vitest/valid-expect': ['error', { maxArgs: 2 }],
        // Asymmetric matchers (`expect.any(Number)`) are `any`.
        'typescript/no-unsafe-assignment': 'off',
      },
    },
    ...[...folders, ...otherHomes].map(importsOf),
  ],
} satisfies OxlintConfig;
