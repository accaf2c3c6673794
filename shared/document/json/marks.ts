/**
 * ProseMirror's marks, which are formats in Yjs.
 *
 * A character has one format of a name, and may have several marks of a type: two people comment on overlapping words. So y-prosemirror puts a hash of the mark behind the name of the
 * format (`comment--a1b2c3d4`) where the schema lets marks of that type overlap. There is no schema here, and older documents, as well as first marks of ours, have formats without
 * a hash: one mark may have two formats in one text. What it is called is not shown, and is no difference. What stays keeps the format that it has, where it is; what is new gets the
 * format that its mark has elsewhere, with a hash where marks of that type are known to overlap or its name is taken.
 */

import { createHash } from 'node:crypto';
import { encodeAny } from 'lib0/buffer';
import { toPlain } from './plain.ts';
import type { Run } from './runs.ts';
import { canonicalText, equalMaps, isMap, noEntries, type JsonMap, type JsonValue } from './value.ts';

/** Formats for the marks that a character shall have, among them those that it has (`old`; undefined for a new character). */
export type Formats = (wanted: JsonMap, old: JsonMap | undefined) => JsonMap;

const hashedMark = /^(?<name>.*)--[a-zA-Z0-9+/=]{8}$/su;

/** The mark that a format is. */
function markName(format: string): string {
  return hashedMark.exec(format)?.groups?.['name'] ?? format;
}

const markText = (format: string, attrs: JsonValue): string => `${JSON.stringify(markName(format))}${canonicalText(attrs)}`;

/** One text for all formats that are the same marks. */
export function marksText(attributes: JsonMap): string {
  const marks = new Set([...attributes].map(([format, attrs]) => markText(format, attrs)));
  return [...marks].toSorted().join(';');
}

/** Marks as a value has them, each once. */
export function marksForm(attributes: JsonMap): readonly JsonMap[] {
  const marks = new Map<string, JsonMap>();
  for (const [format, attrs] of attributes) {
    const mark = new Map<string, JsonValue>([
      ['type', markName(format)],
      ['attrs', attrs],
    ]);
    marks.set(markText(format, attrs), mark);
  }
  return [...marks.values()];
}

export function sameMarks(one: JsonMap, other: JsonMap): boolean {
  if (one === other || equalMaps(one, other)) return true;
  return one.size > 0 && other.size > 0 && marksText(one) === marksText(other);
}

/** Neighbours with the same marks are one, as ProseMirror joins them. */
export function joinAlike(runs: readonly Run[]): readonly Run[] {
  if (!runs.some((run, i) => joined(runs[i - 1], run) !== undefined)) return runs;
  const alike: Run[] = [];
  for (const run of runs) {
    const both = joined(alike.at(-1), run);
    if (both === undefined) alike.push(run);
    else alike[alike.length - 1] = both;
  }
  return alike;
}

function joined(last: Run | undefined, { insert, attributes }: Run): Run | undefined {
  if (typeof last?.insert !== 'string' || typeof insert !== 'string' || !sameMarks(last.attributes, attributes)) return undefined;
  return { insert: last.insert + insert, attributes: last.attributes };
}

/** Marks out of a value, by format; where several are of one type, all of them with a hash. Undefined where they are none. */
export function parseMarks(marks: readonly JsonValue[]): JsonMap | undefined {
  const attributes = new Map<string, JsonValue>();
  const types = marks.map((mark) => (isMap(mark) ? mark.get('type') : undefined));
  for (const [at, mark] of marks.entries()) {
    const type = types[at];
    if (!isMap(mark) || typeof type !== 'string') return undefined;
    for (const key of mark.keys()) if (key !== 'type' && key !== 'attrs') return undefined;
    const attrs = mark.get('attrs') ?? noEntries;
    const several = types.indexOf(type) !== types.lastIndexOf(type);
    attributes.set(several ? hashedMarkName(type, attrs) : type, attrs);
  }
  return attributes;
}

const markHashBytes = 6;

/** y-prosemirror's, so that its editors make the same. */
function hashedMarkName(type: string, attrs: JsonValue): string {
  const mark = isMap(attrs) && attrs.size === 0 ? { type } : { type, attrs: toPlain(attrs) };
  const digest = createHash('sha256').update(encodeAny(mark)).digest();
  for (let i = markHashBytes; i < digest.length; i++)
    digest[i % markHashBytes] = (digest[i % markHashBytes] ?? 0) ^ (digest[i] ?? 0);
  return `${type}--${digest.toString('base64', 0, markHashBytes)}`;
}

/** `base`: the texts that are edited. `overlapping`: types of marks that are known to overlap themselves. */
export function formatsIn(base: readonly Run[], overlapping: ReadonlySet<string>): Formats {
  const known = new Map<string, string>();
  for (const { attributes } of base) for (const [format, attrs] of attributes) known.set(markText(format, attrs), format);
  return (wanted, old = noEntries) => {
    if (wanted.size === 0 || sameMarks(wanted, old)) return wanted.size === 0 ? wanted : old;
    const there = new Map([...old].map(([format, attrs]) => [markText(format, attrs), format] as const));
    const attributes = new Map<string, JsonValue>();
    const added: (readonly [string, JsonValue])[] = [];
    for (const [format, attrs] of wanted) {
      const kept = there.get(markText(format, attrs));
      if (kept === undefined) added.push([format, attrs]);
      else attributes.set(kept, attrs);
    }
    for (const [format, attrs] of added) {
      const type = markName(format);
      const fresh = known.get(markText(format, attrs)) ?? (overlapping.has(type) ? hashedMarkName(type, attrs) : format);
      attributes.set(attributes.has(fresh) ? hashedMarkName(type, attrs) : fresh, attrs);
    }
    return attributes;
  };
}

/** The types of marks that have hashes in these texts, which therefore may overlap themselves. */
export function noteOverlapping(runs: readonly Run[], overlapping: Set<string>): void {
  for (const { attributes } of runs) {
    for (const format of attributes.keys()) if (hashedMark.test(format)) overlapping.add(markName(format));
  }
}
