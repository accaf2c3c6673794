/** A change of a text as Quill's delta, which Yjs applies in one walk, however many places it changes. */

import type * as Y from 'yjs';
import { storedKey } from './names.ts';
import { inside, type Place } from './place.ts';
import { toPlain, whyNotPlain } from './plain.ts';
import { refuse, type Planning } from './planning.ts';
import type { Formats } from './marks.ts';
import type { Run } from './runs.ts';
import { equalJson, equalMaps, type JsonMap, type JsonValue } from './value.ts';

export type Delta =
  | { readonly retain: number; readonly attributes?: Record<string, unknown> }
  | { readonly insert: string | object; readonly attributes: Record<string, unknown> }
  | { readonly delete: number };

/** Hands out runs by length. */
export class RunCursor {
  readonly #runs: readonly Run[];
  #run = 0;
  #at = 0;

  constructor(runs: readonly Run[]) {
    this.#runs = runs;
  }

  take(length: number): readonly Run[] {
    const taken: Run[] = [];
    for (let left = length; left > 0;) {
      const run = this.#runs[this.#run];
      if (run === undefined) break;
      const whole = lengthOf(run);
      const part = Math.min(left, whole - this.#at);
      if (part === whole || typeof run.insert !== 'string') taken.push(run);
      else taken.push({ insert: run.insert.slice(this.#at, this.#at + part), attributes: run.attributes });
      this.#at += part;
      left -= part;
      if (this.#at < whole) continue;
      this.#run++;
      this.#at = 0;
    }
    return taken;
  }
}

const lengthOf = ({ insert }: Run): number => (typeof insert === 'string' ? insert.length : 1);

/** Where formats are no marks. */
export const asWritten: Formats = (wanted) => wanted;

export class DeltaWriter {
  /** What new shared types are to be filled with, once they are in. */
  readonly fills: (() => void)[] = [];
  readonly #delta: Delta[] = [];
  readonly #place: Place;
  readonly #planning: Planning;
  readonly #formats: Formats;
  /** Retained and not yet written. */
  #retained = 0;

  constructor(place: Place, planning: Planning, formats: Formats) {
    this.#place = place;
    this.#planning = planning;
    this.#formats = formats;
  }

  /** The same characters, as they were and as they shall be. */
  retain(olds: readonly Run[], news: readonly Run[]): void {
    let [i, j, oldAt, newAt] = [0, 0, 0, 0];
    for (;;) {
      const [old, wanted] = [olds[i], news[j]];
      if (old === undefined || wanted === undefined) return;
      const length = Math.min(lengthOf(old) - oldAt, lengthOf(wanted) - newAt);
      this.#retainAs(length, old.attributes, wanted.attributes);
      [oldAt, newAt] = [oldAt + length, newAt + length];
      if (oldAt === lengthOf(old)) [i, oldAt] = [i + 1, 0];
      if (newAt === lengthOf(wanted)) [j, newAt] = [j + 1, 0];
    }
  }

  #retainAs(length: number, old: JsonMap, written: JsonMap): void {
    const wanted = this.#formats(written, old);
    if (old === wanted || equalMaps(old, wanted)) {
      this.#retained += length;
      return;
    }
    const changed = new Map<string, JsonValue>();
    for (const key of old.keys()) if (!wanted.has(key)) changed.set(key, null);
    for (const [key, value] of wanted) if (!equalJson(old.get(key) ?? null, value)) changed.set(key, value);
    this.#flush();
    this.#delta.push({ retain: length, attributes: formatsOf(changed, this.#place, this.#planning) });
  }

  insert({ insert, attributes }: Run): void {
    this.#flush();
    const formats = formatsOf(this.#formats(attributes, undefined), this.#place, this.#planning);
    if (typeof insert === 'string') {
      this.#delta.push({ insert, attributes: formats });
      return;
    }
    const { content, fill } = this.#planning.makeInset(insert.form, inside(this.#place, 'insert'));
    this.#delta.push({ insert: content as object, attributes: formats });
    this.fills.push(fill);
  }

  delete(length: number): void {
    if (length === 0) return;
    this.#flush();
    this.#delta.push({ delete: length });
  }

  #flush(): void {
    if (this.#retained > 0) this.#delta.push({ retain: this.#retained });
    this.#retained = 0;
  }

  /** Without what is retained at the end, which is not said. */
  get delta(): readonly Delta[] {
    return this.#delta;
  }
}

function formatsOf(attributes: JsonMap, place: Place, planning: Planning): Record<string, unknown> {
  for (const [key, value] of attributes) {
    const reason = key === '__proto__' ? 'a format can not have this name' : whyNotPlain(value, 'json');
    if (reason !== undefined) refuse(planning, inside(place, key), reason);
  }
  return Object.fromEntries([...attributes].map(([key, value]) => [storedKey(key), toPlain(value)]));
}

/** The parts of a change of several texts that follow each other, for each. What is inserted between two belongs to the first. */
export function partsOf(delta: readonly Delta[], texts: readonly Y.Text[]): readonly Delta[][] {
  const parts: Delta[][] = texts.map(() => []);
  const last = texts.length - 1;
  let text = 0;
  let left = texts[0]?.length ?? 0;
  for (const change of delta) {
    if ('insert' in change) {
      parts[text]?.push(change);
      continue;
    }
    let length = 'retain' in change ? change.retain : change.delete;
    while (length > 0) {
      if (left === 0 && text < last) {
        left = texts[++text]?.length ?? 0;
        continue;
      }
      const part = text === last ? length : Math.min(length, left);
      parts[text]?.push('retain' in change ? { ...change, retain: part } : { delete: part });
      length -= part;
      left -= part;
    }
  }
  return parts;
}
