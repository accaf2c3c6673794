/** Programs that edit mirrors with a driver, as they please. Each edit happens at once, whatever our processes are in the middle of. */

import { isMap, type JsonMap } from '#shared/document/json/value.ts';
import type { DocumentName } from '#shared/document/name.ts';
import { isInDoubt } from '#shared/mirror/history.ts';
import { type Inkstream, type Rev, sameSnapshot } from '#shared/store/mirrors.ts';
import type { MirrorOnDisk } from '#shared/store/memory-mirrors.ts';
import { decodeValue, encodeValue } from '#shared/store/mirror-values.ts';

import { jsonOf, lettersIn, sitesIn, withAt, withLetters, writtenBeginning } from './contents.ts';
import type { Ledger } from './ledger.ts';
import { cleanBookkeeping, shownUpdates, updatesOf, type World } from './world.ts';

export type ProgramKind =
  | 'insert' // a mirror where there never was one
  | 'set' // $set of one or two fields
  | 'replace' // replaceOne without our field
  | 'replace-with-field' // replaceOne with our field as it is
  | 'delete'
  | 'delete-and-insert'
  | 'unset-field'
  | 'forge-field' // something else in the place of our field
  | 'tamper' // our field, but changed
  | 'unusable' // a value that is none
  | 'toggle' // A → B, later B → A, …
  | 'read' // keeps a copy for later
  | 'put-back' // puts that copy back, edited, with our field
  | 'put-back-as-it-was'
  | 'copy' // under another name
  | 'copy-without-field';

const takesFieldAway: ReadonlySet<ProgramKind> = new Set<ProgramKind>([
  'replace',
  'delete-and-insert',
  'unset-field',
  'forge-field',
  'tamper',
]);

const fieldIn = (inkstream: MirrorOnDisk['inkstream']): Inkstream | undefined =>
  inkstream instanceof Uint8Array ? undefined : inkstream;

export type Programs = {
  /** Whether there was anything to do. */
  readonly act: (kind: ProgramKind) => boolean;
  /** What was copied under the other name. */
  readonly copied: () => JsonMap | undefined;
  /** How many times an old copy that was put back as it was, and of which somebody of ours has said that it stands, had its field taken away. */
  readonly oldReplaced: () => number;
};

export function createPrograms(world: World, document: DocumentName, other: DocumentName, ledger: Ledger): Programs {
  const { random, log } = world;
  const { mirrors, states } = world.mirrors;
  const copies: MirrorOnDisk[] = [];
  let copied: JsonMap | undefined;
  let wasDeleted = false;

  const valueOf = (mirror: MirrorOnDisk | undefined): JsonMap | undefined => {
    const value = mirror === undefined ? undefined : decodeValue(mirror.value);
    return isMap(value) ? value : undefined;
  };
  /** Older ones are no longer remembered one day, and then what was typed since is lost: nothing cures that. */
  const isRemembered = ({ inkstream }: MirrorOnDisk): boolean => {
    const own = fieldIn(inkstream);
    const recent = states.get(document)?.history.slice(-4) ?? [];
    return own !== undefined && recent.some(({ snapshot }) => sameSnapshot(snapshot, own.snapshot));
  };

  /** The copy that was put back last in the place of a mirror that was made of something else, by its rev, which it has until somebody of ours has looked at it. */
  let putBackOver: Rev | undefined;
  const isPutBack = (mirror: MirrorOnDisk | undefined): boolean =>
    putBackOver !== undefined && fieldIn(mirror?.inkstream)?.rev === putBackOver;
  /** Whoever takes the field away before somebody of ours has, or has said that the copy stands, does what nothing cures: there is no trace left of its being an old copy. */
  const isOld = (mirror: MirrorOnDisk | undefined): boolean =>
    isPutBack(mirror) && states.get(document)?.next.rev !== putBackOver;
  let oldReplaced = 0;

  /**
   * One that a slow writer has put there after it was fenced off, when what the fence stood on was deleted, and of which nobody has said yet that it stands: what stays open (`fence.ts`). A fence itself stands on what
   * the state names.
   */
  const isUnsaid = (mirror: MirrorOnDisk): boolean => {
    const own = cleanBookkeeping(document, mirror);
    const state = states.get(document);
    if (own === undefined || state === undefined) return false;
    return ![state.before.rev, state.next.rev].some((rev) => rev === own.rev || rev === own.prev);
  };

  /** What only that mirror shows of which nobody has said yet that it was written. */
  const lettersInDoubt = (): ReadonlySet<string> => {
    const state = states.get(document);
    if (state === undefined || !isInDoubt(state)) return new Set();
    const [before, next] = [state.before, state.next].map(({ snapshot }) =>
      lettersIn(jsonOf(shownUpdates(world, document, snapshot))),
    );
    return new Set([...(next?.keys() ?? [])].filter((letter) => before?.has(letter) !== true));
  };
  /** Whether some of them were taken out of the mirror that had them. Without our field, that can't be told from one that never had them. */
  const lacksAnyOf = (inDoubt: ReadonlySet<string>, { inkstream }: MirrorOnDisk, value: JsonMap): boolean => {
    const there = lettersIn(value);
    return fieldIn(inkstream)?.rev === states.get(document)?.next.rev && [...inDoubt].some((letter) => !there.has(letter));
  };

  /** None of the letters of `kept` is taken out. */
  const change = (value: JsonMap, kept: ReadonlySet<string> = new Set()): JsonMap => {
    let changed = value;
    for (let edits = random.chance(0.3) ? 2 : 1; edits > 0; edits--) changed = changeOnce(changed, kept, world, ledger);
    return changed;
  };
  /** Whether this is a mirror as we once wrote it, which somebody has put back: nobody can tell that he edited it, where that made it so again. */
  const isAsItOnceWas = (mirror: MirrorOnDisk): boolean => {
    const own = cleanBookkeeping(document, mirror);
    return own !== undefined && own.rev !== states.get(document)?.next.rev;
  };
  const put = (how: string, value: JsonMap | undefined, inkstream: MirrorOnDisk['inkstream']): true => {
    const written = { value: encodeValue(value ?? 7), inkstream };
    if (isAsItOnceWas(written)) ledger.writeOver(value, jsonOf(updatesOf(world, document)));
    mirrors.set(document, written);
    log.push(`a program: ${how}`);
    return true;
  };
  const putBack = (how: string, edited: boolean): boolean => {
    const copy = copies.pop();
    const old = valueOf(copy);
    if (copy === undefined || old === undefined || !isRemembered(copy)) return false;
    const value = edited ? change(old) : old;
    ledger.writeOver(value, jsonOf(updatesOf(world, document)));
    const standing = fieldIn(mirrors.get(document)?.inkstream)?.snapshot ?? states.get(document)?.next.snapshot;
    const own = fieldIn(copy.inkstream);
    const isOlder = own !== undefined && (standing === undefined || !sameSnapshot(standing, own.snapshot));
    putBackOver = isOlder || isOld(mirrors.get(document)) ? own?.rev : undefined;
    return put(how, value, copy.inkstream);
  };

  const act = (kind: ProgramKind): boolean => {
    const mirror = mirrors.get(document);
    if (kind === 'insert') {
      if (mirror !== undefined || wasDeleted) return false;
      return put(
        kind,
        writtenBeginning(() => ledger.newLetter('program')),
        undefined,
      );
    }
    const value = valueOf(mirror);
    if (mirror === undefined || value === undefined) return false;
    const { inkstream } = mirror;
    const inDoubt = fieldIn(inkstream) === undefined || takesFieldAway.has(kind) ? lettersInDoubt() : new Set<string>();
    const isIncurable = isOld(mirror) || lacksAnyOf(inDoubt, mirror, value) || (!isPutBack(mirror) && isUnsaid(mirror));
    if (takesFieldAway.has(kind) && isIncurable) return false;
    if (takesFieldAway.has(kind) && isPutBack(mirror)) oldReplaced++;
    switch (kind) {
      case 'set':
        return put(kind, change(value, inDoubt), inkstream);
      case 'replace':
        return put(kind, change(value, inDoubt), undefined);
      case 'replace-with-field':
        return put(kind, change(value, inDoubt), inkstream);
      case 'delete-and-insert':
        return put(kind, change(value, inDoubt), undefined);
      case 'delete':
        ledger.writeOver(undefined, jsonOf(updatesOf(world, document)));
        log.push('a program: delete');
        wasDeleted = true;
        return mirrors.delete(document);
      case 'unset-field':
        return put(kind, value, undefined);
      case 'forge-field':
        return put(kind, value, Uint8Array.of(1, 2, 3));
      case 'tamper':
        if (inkstream === undefined || inkstream instanceof Uint8Array) return false;
        return put(kind, value, { ...inkstream, applied: [], intent: undefined, snapshot: { ...inkstream.snapshot, upto: 1 } });
      case 'unusable':
        ledger.writeOver(undefined, jsonOf(updatesOf(world, document)));
        return put(kind, undefined, inkstream);
      case 'toggle':
        if (inDoubt.has(ledger.letterToToggle())) return false;
        return put(kind, toggled(value, ledger), inkstream);
      case 'read':
        copies.push(mirror);
        return true;
      case 'put-back':
        return putBack(kind, true);
      case 'put-back-as-it-was':
        return putBack(kind, false);
      case 'copy':
      case 'copy-without-field':
        if (copied !== undefined) return false;
        copied = value;
        mirrors.set(other, kind === 'copy' ? mirror : { value: mirror.value, inkstream: undefined });
        log.push(`a program: ${kind}`);
        return true;
    }
  };
  return { act, copied: () => copied, oldReplaced: () => oldReplaced };
}

function toggled(value: JsonMap, { toggle, letterToToggle }: Ledger): JsonMap {
  const letter = letterToToggle();
  const text = value.get('text');
  const there = typeof text === 'string' ? text : '';
  toggle.isIn = !there.includes(letter);
  return withAt(value, ['text'], toggle.isIn ? letter + there : there.replaceAll(letter, '')) as JsonMap;
}

function changeOnce(value: JsonMap, kept: ReadonlySet<string>, { random, log }: World, ledger: Ledger): JsonMap {
  if (random.chance(0.1)) return withAt(value, ['map', `key ${random.integer(2)}`], random.integer(100)) as JsonMap;
  const site = random.pick(sitesIn(value));
  const letters = [...site.letters];
  const at = random.integer(Math.max(1, letters.length));
  const there = letters[at];
  if (there !== undefined && there !== ledger.toggle.letter && !kept.has(there) && random.chance(0.35)) {
    letters.splice(at, 1);
    ledger.takeOut(there, 'program');
    log.push(`a program takes out ${there}`);
  } else {
    const fresh = ledger.newLetter('program');
    letters.splice(random.integer(letters.length + 1), 0, fresh);
    log.push(`a program puts in ${fresh}`);
  }
  return withLetters(value, site, letters);
}
