/** Programs that edit mirrors with a driver, as they please. Each edit happens at once, whatever our processes are in the middle of. */

import { isMap, type JsonMap } from '#shared/document/json/value.ts';
import type { DocumentName } from '#shared/document/name.ts';
import { sameSnapshot } from '#shared/store/mirrors.ts';
import type { MirrorOnDisk } from '#shared/store/memory-mirrors.ts';
import { decodeValue, encodeValue } from '#shared/store/mirror-values.ts';

import { jsonOf, sitesIn, withAt, withLetters, writtenBeginning } from './contents.ts';
import type { Ledger } from './ledger.ts';
import { cleanBookkeeping, updatesOf, type World } from './world.ts';

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

export type Programs = {
  /** Whether there was anything to do. */
  readonly act: (kind: ProgramKind) => boolean;
  /** What was copied under the other name. */
  readonly copied: () => JsonMap | undefined;
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
    const recent = states.get(document)?.history.slice(-4) ?? [];
    return (
      inkstream !== undefined &&
      !(inkstream instanceof Uint8Array) &&
      recent.some(({ snapshot }) => sameSnapshot(snapshot, inkstream.snapshot))
    );
  };

  /** An old copy, put back with our field in it, that nobody has looked at yet. Whoever takes the field away now does what nothing cures as well. */
  const isOld = ({ inkstream }: MirrorOnDisk): boolean => {
    const state = states.get(document);
    if (state === undefined || inkstream === undefined || inkstream instanceof Uint8Array) return false;
    return ![state.before, state.next].some(({ snapshot }) => sameSnapshot(snapshot, inkstream.snapshot));
  };

  /** Nobody has said whether a mirror was written. Who takes out of it what only that one showed, and our field, can't be told from somebody who saw the mirror before. */
  const isInDoubt = (): boolean => {
    const state = states.get(document);
    return state !== undefined && !sameSnapshot(state.before.snapshot, state.next.snapshot);
  };

  const change = (value: JsonMap): JsonMap => {
    let changed = value;
    for (let edits = random.chance(0.3) ? 2 : 1; edits > 0; edits--) changed = changeOnce(changed, world, ledger);
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
    if (isOld(mirror) && takesFieldAway.has(kind)) return false;
    const isWithoutField = inkstream === undefined || inkstream instanceof Uint8Array;
    if (isInDoubt() && (isWithoutField || takesFieldAway.has(kind))) ledger.mayStay(jsonOf(updatesOf(world, document)));
    switch (kind) {
      case 'set':
        return put(kind, change(value), inkstream);
      case 'replace':
        return put(kind, change(value), undefined);
      case 'replace-with-field':
        return put(kind, change(value), inkstream);
      case 'delete-and-insert':
        return put(kind, change(value), undefined);
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
  return { act, copied: () => copied };
}

function toggled(value: JsonMap, { toggle, newLetter }: Ledger): JsonMap {
  toggle.letter ??= newLetter('program');
  const { letter } = toggle;
  const text = value.get('text');
  const there = typeof text === 'string' ? text : '';
  toggle.isIn = !there.includes(letter);
  return withAt(value, ['text'], toggle.isIn ? letter + there : there.replaceAll(letter, '')) as JsonMap;
}

function changeOnce(value: JsonMap, { random, log }: World, ledger: Ledger): JsonMap {
  if (random.chance(0.1)) return withAt(value, ['map', `key ${random.integer(2)}`], random.integer(100)) as JsonMap;
  const site = random.pick(sitesIn(value));
  const letters = [...site.letters];
  const at = random.integer(Math.max(1, letters.length));
  const there = letters[at];
  if (there !== undefined && there !== ledger.toggle.letter && random.chance(0.35)) {
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
