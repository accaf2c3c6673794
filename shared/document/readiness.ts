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
  for (let i = 0; i < update.dependencies.length; i += 4) {
    const { client, needs } = dependency(update, i);
    if (needs >= (vector.get(client) ?? 0)) return { client, clock: needs };
  }
  return undefined;
}

class Walk {
  readonly ends: number[];
  readonly #update: Scanned;
  /** By client, up to which clock everything is there or can be taken, where that is more than the vector says. */
  readonly #reached = new Map<number, number>();
  readonly #vector: StateVector;
  /** By section: the dependency that it is at. */
  readonly #next: number[] = [];
  /** By client, the dependencies on it that the vector does not meet, by the clock that they need; and how many of them are met. */
  readonly #wanted = new Map<number, { readonly dependencies: number[]; met: number }>();
  readonly #isMet: Uint8Array;

  constructor(update: Scanned, vector: StateVector) {
    this.#update = update;
    this.#vector = vector;
    this.ends = update.sections.map((section) => section.start);
    this.#isMet = new Uint8Array(update.dependencies.length / 4);
    let i = 0;
    for (let index = 0; index < update.sections.length; index++) {
      this.#next.push(i);
      for (; i < update.dependencies.length && dependency(update, i).section === index; i += 4) this.#want(i);
    }
    for (const { dependencies } of this.#wanted.values()) {
      dependencies.sort((a, b) => dependency(update, a).needs - dependency(update, b).needs);
    }
  }

  #want(i: number): void {
    const { client, needs } = dependency(this.#update, i);
    if (needs < (this.#vector.get(client) ?? 0)) {
      this.#isMet[i / 4] = 1;
      return;
    }
    const wanted = this.#wanted.get(client);
    if (wanted === undefined) this.#wanted.set(client, { dependencies: [i], met: 0 });
    else wanted.dependencies.push(i);
  }

  #reach(client: number): number {
    return this.#reached.get(client) ?? this.#vector.get(client) ?? 0;
  }

  run(): void {
    const work = this.#update.sections.map((_, index) => index);
    for (let index = work.pop(); index !== undefined; index = work.pop()) {
      const section = this.#update.sections[index];
      if (section === undefined || section.start > this.#reach(section.client)) continue;
      const end = this.#advance(index, section);
      this.ends[index] = end;
      if (end <= this.#reach(section.client)) continue;
      this.#reached.set(section.client, end);
      this.#meet(section.client, end, work);
    }
  }

  /** Goes on to the first struct that must wait, and returns its clock, or the section's end. */
  #advance(index: number, section: Section): number {
    let i = this.#next[index] ?? 0;
    for (; i < this.#update.dependencies.length; i += 4) {
      const { section: owner, clock } = dependency(this.#update, i);
      if (owner !== index) break;
      if (this.#isMet[i / 4] === 1) continue;
      this.#next[index] = i;
      return clock;
    }
    this.#next[index] = i;
    return section.end;
  }

  /** `client` reached `end`: what needed less of it goes on. Each dependency is met once, so this is linear in all. */
  #meet(client: number, end: number, work: number[]): void {
    const wanted = this.#wanted.get(client);
    if (wanted === undefined) return;
    for (; wanted.met < wanted.dependencies.length; wanted.met++) {
      const i = wanted.dependencies[wanted.met] ?? 0;
      const { section, needs } = dependency(this.#update, i);
      if (needs >= end) return;
      this.#isMet[i / 4] = 1;
      if (this.#next[section] === i) work.push(section);
    }
  }

  firstMissing(): Missing | undefined {
    for (const [index, section] of this.#update.sections.entries()) {
      if (section.start > this.#reach(section.client)) return { client: section.client, clock: section.start - 1 };
      if (this.ends[index] === section.end) continue;
      const { client, needs } = dependency(this.#update, this.#next[index] ?? 0);
      return { client, clock: needs };
    }
    return undefined;
  }
}
