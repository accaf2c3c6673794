/**
 * An edit that races with a rewrite of the mirror is never overwritten unseen, whatever mirrors are kept in.
 *
 * Over and over somebody types, the mirror is rewritten, and a program edits it at a random point of that, on a connection of its own, while a third one takes in what it finds. Whoever was first, the edit
 * has to be in the mirror right afterwards, and in the document, once, in the end.
 */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { JsonMap, JsonValue } from '#shared/document/json/value.ts';
import type { DocumentName } from '#shared/document/name.ts';
import type { MirrorStore } from '#shared/store/mirrors.ts';
import { nameOf } from '#test/contract/store.contract.ts';
import { callsOfRewrite, raceDocument, type RacePoint } from '#test/harness/mirror-race.ts';
import { randomOf } from '#test/simulation/persister/typing.ts';

/** Makes the field of that name 1, in whatever way; resolves when it is. */
export type RacingEdit = (document: DocumentName, field: string) => Promise<void>;

export type RaceFixture = {
  /** The persister's, and the changefeed's. */
  readonly mirrors: readonly [MirrorStore, MirrorStore];
  /** The program's; each as often as the others. */
  readonly edits: readonly RacingEdit[];
  readonly dispose: () => Promise<void>;
};

/** Side by side. */
const documents = 20;
/** What may have happened, and in what part of the rounds each has to, at least; what happens at the same time is not for us to say. */
const outcomes = ['edited', 'overtaken', 'written'] as const;
const shareMin = 1 / 20;
const moments: readonly RacePoint['moment'][] = ['before', 'together', 'behind'];

const asMap = (value: JsonValue | undefined): JsonMap => (value instanceof Map ? value : new Map());

/** That value with one more field. */
export const withField = (value: JsonMap, field: string): JsonMap =>
  new Map([...value, ['fields', new Map([...asMap(value.get('fields')), [field, 1]])]]);

/** An edit by a door of ours: a program reads, and writes where nothing has changed since. */
export const throughDoor =
  (mirrors: MirrorStore): RacingEdit =>
  async (document, field) => {
    for (;;) {
      const seen = await mirrors.readMirror(document);
      if (seen === undefined) throw new Error('there is no mirror');
      const value = mirrors.form.encode(withField(asMap(mirrors.form.decode(seen.value)), field));
      if (await mirrors.editValue(document, seen, value)) return;
    }
  };

type Tally = Map<string, number>;

/** `rounds` of them on one document. */
async function raceOn(
  name: DocumentName,
  rounds: number,
  { mirrors: [ours, others], edits }: RaceFixture,
  seed: number,
  tally: Tally,
): Promise<void> {
  const random = randomOf(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const document = raceDocument(name, ours, others);
  await document.type('<begin>');
  await document.settle();
  for (let round = 0; round < rounds; round++) {
    const field = `field${round}`;
    const point = { call: Math.floor(random() * callsOfRewrite), moment: pick(moments) };
    const edit = pick(edits);
    await document.type(`<${round}>`);
    const said = await document.race(point, () => edit(name, field));
    const what = said.kind === 'not-now' ? said.why : said.kind;
    tally.set(what, (tally.get(what) ?? 0) + 1);
    const when = `${name}, round ${round}, an edit ${point.moment} call ${point.call}, the rewrite: ${what}`;
    expect((await document.fields()).get(field), when).toBe(1);
    expect(document.takenIn(), when).toBe(round + 1);
  }
  await document.settle();
  expect(await document.shown()).toBe(document.said());
  expect((await document.fields()).size).toBe(rounds);
  const typed = ['<begin>', ...Array.from({ length: rounds }, (_, round) => `<${round}>`)].join('');
  expect(document.said()).toContain(typed);
}

/** Races `rounds` times. */
export function mirrorRacesContract(adapter: string, rounds: number, makeFixture: () => Promise<RaceFixture>): void {
  describe(`races of edits with rewrites of mirrors: ${adapter}`, () => {
    let fixture: RaceFixture;
    beforeEach(async () => {
      fixture = await makeFixture();
    });
    afterEach(() => fixture.dispose());

    test(
      `MS20: of ${rounds} edits that race with a rewrite none is overwritten unseen, and each is in the document once`,
      { timeout: 240_000 },
      async () => {
        const tally: Tally = new Map();
        const names = Array.from({ length: documents }, (_, index) => nameOf(`races/${index}`));
        await Promise.all(names.map((name, index) => raceOn(name, rounds / documents, fixture, 100 + index, tally)));
        expect([...tally.values()].reduce((sum, count) => sum + count, 0)).toBe(rounds);
        for (const what of outcomes) expect(tally.get(what), what).toBeGreaterThan(rounds * shareMin);
      },
    );
  });
}
