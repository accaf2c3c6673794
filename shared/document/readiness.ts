/**
 * How much of an update can be taken in, given what is there.
 *
 * A struct can be taken when everything before it of its client, and everything that it refers to, is there or comes with it. What comes
 * with it may itself be waiting, and in a hostile update two sections may wait for each other; such a pair never resolves, and every reader would carry it
 * and try it again at each keystroke. So each section advances to the first struct whose needs are not met, and is resumed when the client that it waits
 * for has advanced, until nothing moves.
 */

import { dependency, type Scanned, type Section } from './scan.ts';
import type { StateVector } from './state-vector.ts';

export type Reach = {
  /** By section: the clock up to which it can be taken; its `start` or less where none of it can. A struct ends there. */
  readonly ends: readonly number[];
  /** The first thing that is missing, or undefined where all structs can be taken. */
  readonly missing: Missing | undefined;
};

/** An update waits for this clock of this client. */
export type Missing = { readonly client: number; readonly clock: number };

/** How far each section of `update` reaches on top of `vector`. */
export function reachOf(update: Scanned, vector: StateVector): Reach {
  const quick = missingWithoutOrder(update, vector);
  if (quick === undefined) return { ends: update.sections.map((section) => section.end), missing: undefined };
  const walk = new Walk(update, vector);
  walk.run();
  return { ends: walk.ends, missing: walk.firstMissing() };
}

/** Settles nearly all updates: undefined where every need is met by `vector` alone. */
function missingWithoutOrder(update: Scanned, vector: StateVector): Missing | undefined {
  for (const { client, start } of update.sections) {
    if (start > (vector.get(client) ?? 0)) return { client, clock: start - 1 };
  }
  const { dependencies } = update;
  for (let i = 0; i < dependencies.length; i += 4) {
    const client = dependency.client(dependencies, i);
    const needs = dependency.needs(dependencies, i);
    if (needs >= (vector.get(client) ?? 0)) return { client, clock: needs };
  }
  return undefined;
}

/** How far a client has got. */
type Progress = {
  readonly client: number;
  /** Up to this clock everything is there or can be taken. */
  reached: number;
  /** The dependencies on it that the vector does not meet, by the clock that they need; and how many of them are met. */
  readonly wanted: number[];
  met: number;
};

class Walk {
  readonly ends: number[];
  readonly #sections: readonly Section[];
  readonly #dependencies: readonly number[];
  readonly #vector: StateVector;
  readonly #clients = new Map<number, Progress>();
  /** By section: its client's. */
  readonly #progress: readonly Progress[];
  /** By section: the dependency that it is at. */
  readonly #next: number[] = [];
  readonly #isMet: Uint8Array;

  constructor(update: Scanned, vector: StateVector) {
    const { sections, dependencies } = update;
    this.#sections = sections;
    this.#dependencies = dependencies;
    this.#vector = vector;
    this.ends = sections.map((section) => section.start);
    this.#progress = sections.map(({ client }) => this.#progressOf(client));
    this.#isMet = new Uint8Array(dependencies.length / 4);
    let i = 0;
    for (let index = 0; index < sections.length; index++) {
      this.#next.push(i);
      i = this.#want(index, i);
    }
    for (const { wanted } of this.#clients.values()) {
      wanted.sort((a, b) => dependency.needs(dependencies, a) - dependency.needs(dependencies, b));
    }
  }

  #progressOf(client: number): Progress {
    const known = this.#clients.get(client);
    if (known !== undefined) return known;
    const progress = { client, reached: this.#vector.get(client) ?? 0, wanted: [], met: 0 };
    this.#clients.set(client, progress);
    return progress;
  }

  /** Notes what the section with this index, whose dependencies begin at `from`, needs. Returns where they end. */
  #want(index: number, from: number): number {
    const dependencies = this.#dependencies;
    let progress: Progress | undefined;
    let i = from;
    for (; i < dependencies.length && dependency.section(dependencies, i) === index; i += 4) {
      const client = dependency.client(dependencies, i);
      if (progress?.client !== client) progress = this.#progressOf(client);
      if (dependency.needs(dependencies, i) < progress.reached) this.#isMet[i / 4] = 1;
      else progress.wanted.push(i);
    }
    return i;
  }

  run(): void {
    const work = this.#sections.map((_, index) => index);
    for (let index = work.pop(); index !== undefined; index = work.pop()) {
      const section = this.#sections[index];
      const progress = this.#progress[index];
      if (section === undefined || progress === undefined || section.start > progress.reached) continue;
      const end = this.#advance(index, section);
      this.ends[index] = end;
      if (end <= progress.reached) continue;
      progress.reached = end;
      this.#meet(progress, work);
    }
  }

  /** Goes on to the first struct that must wait, and returns its clock, or the section's end. */
  #advance(index: number, section: Section): number {
    const dependencies = this.#dependencies;
    let i = this.#next[index] ?? 0;
    for (; i < dependencies.length && dependency.section(dependencies, i) === index; i += 4) {
      if (this.#isMet[i / 4] === 1) continue;
      this.#next[index] = i;
      return dependency.clock(dependencies, i);
    }
    this.#next[index] = i;
    return section.end;
  }

  /** A client has got further: what needed less of it goes on. Each dependency is met once, so this is linear in all. */
  #meet(progress: Progress, work: number[]): void {
    const dependencies = this.#dependencies;
    for (; progress.met < progress.wanted.length; progress.met++) {
      const i = progress.wanted[progress.met] ?? 0;
      if (dependency.needs(dependencies, i) >= progress.reached) return;
      const section = dependency.section(dependencies, i);
      this.#isMet[i / 4] = 1;
      if (this.#next[section] === i) work.push(section);
    }
  }

  firstMissing(): Missing | undefined {
    for (const [index, { client, start, end }] of this.#sections.entries()) {
      if (start > (this.#progress[index]?.reached ?? 0)) return { client, clock: start - 1 };
      if (this.ends[index] === end) continue;
      const i = this.#next[index] ?? 0;
      return { client: dependency.client(this.#dependencies, i), clock: dependency.needs(this.#dependencies, i) };
    }
    return undefined;
  }
}
