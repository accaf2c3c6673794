/** What has to be true of journal, store and mirrors once nothing moves any more, whoever wrote what. */

import * as Y from 'yjs';

import { canonicalText, isMap } from '#shared/document/json/value.ts';
import type { DocumentName } from '#shared/document/name.ts';
import { decodeValue } from '#shared/store/mirror-values.ts';

import { jsonOf } from './contents.ts';
import { document, other, type Scene } from './scene.ts';
import { cleanBookkeeping, snapshotUpdates, updatesOf, type World } from './world.ts';

/** Everything that is wrong, in words. `edits`: how many times programs did something to the mirror. */
export function complaintsAbout(scene: Scene, edits: number): readonly string[] {
  const { world, ledger } = scene;
  const complaints = [...judge(scene), ...ledger.complaints(jsonOf(updatesOf(world, document)))];
  const ours = recordsOfOurs(world);
  if (ours > edits) complaints.push(`${ours} records of ours for ${edits} edits`);
  return complaints;
}

/** Different records that no person wrote: the same bytes may be there twice. */
export const recordsOfOurs = ({ appended }: World): number =>
  new Set(appended.flatMap(({ origin, update }) => (origin === 'people' ? [] : [Buffer.from(update).toString('hex')]))).size;

function judge({ world, people, programs }: Scene): readonly string[] {
  const complaints: string[] = [];
  const updates = updatesOf(world, document);
  const value = jsonOf(updates);
  const isSame = (what: string, found: readonly Uint8Array[]): void => {
    if (canonicalText(jsonOf(found)) !== canonicalText(value))
      complaints.push(`${what} has ${canonicalText(jsonOf(found))} and not ${canonicalText(value)}`);
  };
  for (const [index, { doc }] of people.entries()) isSame(`person ${index}`, [Y.encodeStateAsUpdate(doc)]);
  isSame('who reads backwards', updates.toReversed());
  isSame('the store', storedUpdates(world));
  complaints.push(...collisions(updates));
  complaints.push(...judgeMirror(world, document, value));
  const copied = programs.copied();
  if (copied !== undefined) {
    const there = jsonOf(updatesOf(world, other));
    if (canonicalText(there) !== canonicalText(copied))
      complaints.push(`the copy is ${canonicalText(there)} and was ${canonicalText(copied)}`);
    complaints.push(...judgeMirror(world, other, there));
  }
  return complaints;
}

function judgeMirror(world: World, name: DocumentName, value: ReturnType<typeof jsonOf>): readonly string[] {
  const stored = world.mirrors.mirrors.get(name);
  if (stored === undefined) return [`${name} has no mirror`];
  const found = decodeValue(stored.value);
  const wrong: string[] = [];
  if (!isMap(found) || canonicalText(found) !== canonicalText(value)) {
    wrong.push(
      `the mirror of ${name} is ${found === undefined ? 'nothing' : canonicalText(found)}, and the document ${canonicalText(value)}`,
    );
  }
  const { inkstream } = stored;
  if (inkstream === undefined || inkstream instanceof Uint8Array) return [...wrong, `the mirror of ${name} has no field of ours`];
  if (cleanBookkeeping(name, stored) === undefined) wrong.push(`the mirror of ${name} is not clean`);
  if (world.mirrors.states.get(name)?.next.intent !== undefined) wrong.push(`an intent of ${name} is open`);
  return wrong;
}

function storedUpdates(world: World): readonly Uint8Array[] {
  const stored = world.store.documents.get(document);
  const { head } = stored ?? {};
  const segments = [...(stored?.segments.values() ?? [])].map(({ update }) => update);
  return head === undefined ? segments : [...snapshotUpdates(world, document, head), ...segments];
}

/** Ids under which two updates have different contents: readers would have one or the other. */
function collisions(updates: readonly Uint8Array[]): readonly string[] {
  const seen = new Map<string, string>();
  const found: string[] = [];
  for (const update of updates) {
    for (const struct of Y.decodeUpdate(update).structs) {
      if (!(struct instanceof Y.Item)) continue;
      const contents = struct.content.getContent() as readonly unknown[];
      for (let index = 0; index < struct.length; index++) {
        const id = `${struct.id.client}:${struct.id.clock + index}`;
        const content = `${struct.content.constructor.name} ${contents[index] instanceof Y.AbstractType ? '' : JSON.stringify(contents[index])}`;
        if ((seen.get(id) ?? content) !== content) found.push(`${id} is ${content} and ${seen.get(id)}`);
        seen.set(id, content);
      }
    }
  }
  return found;
}
