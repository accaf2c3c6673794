/**
 * What has to be in the document at the end.
 *
 * Each letter that somebody put in is there once, unless somebody took it out, and then it is not. There is one excuse: MongoDB's own last writer wins. A program that writes over what
 * another program wrote, before anybody took that in or from an old copy, makes it uncertain. What people typed is never excused.
 */

import type { JsonMap } from '#shared/document/json/value.ts';

import { letterOf, lettersIn } from './contents.ts';

export type Author = 'person' | 'program';

export type Ledger = {
  readonly newLetter: (author: Author) => string;
  readonly takeOut: (letter: string, author: Author) => void;
  /** A program is about to write `now` over what it has not seen: nothing is lost that is in the `document`, but for what an old copy lacks. Undefined: it writes nothing. */
  readonly writeOver: (now: JsonMap | undefined, document: JsonMap) => void;
  /** One letter that programs put in and take out again at the beginning of the text. */
  readonly toggle: { letter: string | undefined; isIn: boolean };
  /** The one to put in or take out now: another one where it is uncertain what became of the last. */
  readonly letterToToggle: () => string;
  /** What is wrong with a document. */
  readonly complaints: (value: JsonMap) => readonly string[];
};

export function createLedger(): Ledger {
  const putIn = new Map<string, Author>();
  const takenOut = new Map<string, Set<Author>>();
  const uncertain = new Set<string>();
  const toggle: Ledger['toggle'] = { letter: undefined, isIn: false };
  let count = 0;

  const writeOver = (now: JsonMap | undefined, document: JsonMap): void => {
    const inDocument = lettersIn(document);
    const after = now === undefined ? undefined : lettersIn(now);
    for (const [letter, author] of putIn) {
      const isKept = inDocument.has(letter) && (after === undefined || after.has(letter));
      if (author === 'program' && !isKept) uncertain.add(letter);
    }
    for (const [letter, authors] of takenOut) {
      const isKept = !inDocument.has(letter) && after?.has(letter) !== true;
      if (authors.has('program') && !isKept) uncertain.add(letter);
    }
    // Of a mirror that is gone, one of the times before the last may be the last that is taken in.
    if (toggle.letter !== undefined && after?.has(toggle.letter) !== toggle.isIn) uncertain.add(toggle.letter);
  };

  const complaints = (value: JsonMap): readonly string[] => {
    const found = lettersIn(value);
    const wrong: string[] = [];
    for (const [letter, author] of putIn) {
      const times = found.get(letter) ?? 0;
      if (times > 1) wrong.push(`doubled: ${letter} by a ${author} is there ${times} times`);
      if (letter === toggle.letter || uncertain.has(letter)) continue;
      const removers = takenOut.get(letter);
      if (times === 0 && removers === undefined) wrong.push(`lost: ${letter} by a ${author}`);
      if (times > 0 && removers !== undefined)
        wrong.push(`undeleted: ${letter} was taken out by a ${[...removers].join(' and a ')}`);
    }
    const { letter, isIn } = toggle;
    if (letter !== undefined && !uncertain.has(letter) && found.has(letter) !== isIn) {
      wrong.push(`toggle: ${letter} should be ${isIn ? 'in' : 'out'}`);
    }
    return wrong;
  };

  const newLetter = (author: Author): string => {
    const letter = letterOf(count++);
    putIn.set(letter, author);
    return letter;
  };

  return {
    newLetter,
    takeOut: (letter, author) => {
      takenOut.set(letter, (takenOut.get(letter) ?? new Set()).add(author));
    },
    writeOver,
    toggle,
    letterToToggle: () => {
      if (toggle.letter === undefined || uncertain.has(toggle.letter)) toggle.letter = newLetter('program');
      return toggle.letter;
    },
    complaints,
  };
}
