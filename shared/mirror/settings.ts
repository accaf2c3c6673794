/**
 * What people may set about mirrors, in one place for all who keep them, take edits in from them or serve them: two services that disagree on whether a list of runs is a rich text would
 * rewrite one another's mirrors for ever. Whoever runs several gives all of them the same.
 *
 * Both lists are JSON, since a document's name may have any mark in it that one could use to separate names.
 */

import type { RootKind, RootKinds } from '#shared/document/json/roots.ts';
import type { DocumentName } from '#shared/document/name.ts';
import { amount, duration, parsed, type SettingValues } from '#shared/runtime/config.ts';
import type { ThreadLimits } from '#shared/runtime/thread.ts';

import { type MirrorLimits, mirrorLimits } from './limits.ts';

/** A pattern of document names; `*` matches any characters, and none. */
export type Pattern = string;

type NamedRoots = { readonly document: Pattern; readonly roots: ReadonlyMap<string, RootKind> };

const rootKinds: ReadonlySet<unknown> = new Set<RootKind>(['text', 'rich-text', 'map', 'array', 'xml']);

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function readJson(written: string): unknown {
  try {
    return JSON.parse(written) as unknown;
  } catch {
    return undefined;
  }
}

function readPatterns(written: string): readonly Pattern[] | undefined {
  const value = readJson(written);
  return Array.isArray(value) && value.every((pattern) => typeof pattern === 'string') ? value : undefined;
}

function readNamedRoots(written: string): readonly NamedRoots[] | undefined {
  const value = readJson(written);
  if (!Array.isArray(value)) return undefined;
  const named: NamedRoots[] = [];
  for (const entry of value as readonly unknown[]) {
    if (!isRecord(entry) || typeof entry['document'] !== 'string' || !isRecord(entry['roots'])) return undefined;
    const roots = Object.entries(entry['roots']);
    if (Object.keys(entry).length > 2 || roots.some(([, kind]) => !rootKinds.has(kind))) return undefined;
    named.push({ document: entry['document'], roots: new Map(roots as readonly [string, RootKind][]) });
  }
  return named;
}

export const mirrorSettings = {
  mirrorLeftOut: parsed(
    'JSON',
    readPatterns,
    [],
    'documents that have no mirror and take no edits from one: a list of names, in which `*` stands for any characters, as `["drafts/*"]`',
  ),
  mirrorRoots: parsed(
    'JSON',
    readNamedRoots,
    [],
    'what roots of documents are, where that is not to be told from what is in them: `[{"document": "team-7/*", "roots": {"body": "rich-text"}}]`, with `text`, `rich-text`, `map`, `array` or `xml`; the last that names a root counts',
  ),
  mirrorBytesMax: amount(
    'bytes',
    mirrorLimits.valueBytesMax,
    'of a document as JSON, as it is stored: a larger one is not shown, and a larger edit is not taken',
    1024,
    mirrorLimits.valueBytesMax,
  ),
  mirrorWorkMsMax: duration(60_000, 'how long reading or comparing one document as JSON may take in its thread'),
  mirrorHeapMbMax: amount('MB', 2_048, 'the heap of that thread; running out of it ends that thread alone'),
  mirrorIdleMs: duration(
    600_000,
    'after which it is ended when idle, but in the changefeed that holds the lease; what starts it again comes some tenths of a second later',
  ),
};

export type MirrorSettings = SettingValues<typeof mirrorSettings>;

/** Whether a name is one of a pattern, by walking once over both: a pattern of many stars costs no more than the product of their lengths. */
export function matchesPattern(name: string, pattern: Pattern): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return name === first;
  if (!name.startsWith(first) || name.length < first.length + last.length || !name.endsWith(last)) return false;
  let at = first.length;
  for (const piece of rest) {
    const found = name.indexOf(piece, at);
    if (found === -1) return false;
    at = found + piece.length;
  }
  return at <= name.length - last.length;
}

/** Whether a document is to have a mirror. */
export const hasMirror =
  ({ mirrorLeftOut }: MirrorSettings) =>
  (document: DocumentName): boolean =>
    !mirrorLeftOut.some((pattern) => matchesPattern(document, pattern));

export const rootKindsBy =
  ({ mirrorRoots }: MirrorSettings): RootKinds =>
  (document) =>
    new Map(mirrorRoots.filter((entry) => matchesPattern(document, entry.document)).flatMap(({ roots }) => [...roots]));

export const mirrorLimitsBy = ({ mirrorBytesMax }: MirrorSettings): MirrorLimits => ({
  ...mirrorLimits,
  valueBytesMax: mirrorBytesMax,
});

export const mirrorThreadLimits = ({ mirrorWorkMsMax, mirrorHeapMbMax, mirrorIdleMs }: MirrorSettings): ThreadLimits => ({
  answerMsMax: mirrorWorkMsMax,
  heapMbMax: mirrorHeapMbMax,
  idleMs: mirrorIdleMs,
});
