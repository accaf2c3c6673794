/** People who type into the document: real Yjs clients, who see what others wrote now and then. */

import * as Y from 'yjs';

import type { DocumentName } from '#shared/document/name.ts';
import type { Random } from '#test/simulation/rooms/random.ts';

import { typesOf } from './contents.ts';
import type { Ledger } from './ledger.ts';
import { appendTyped, updatesOf, type World } from './world.ts';

/** `unsent`: what their editor made and no provider has sent yet. Yjs tidies formats up as it reads, and that is sent like an edit. */
export type Person = { readonly doc: Y.Doc; seen: number; readonly unsent: Uint8Array[] };

export function createPerson(client: number): Person {
  const doc = new Y.Doc({ guid: '' });
  doc.clientID = client;
  const unsent: Uint8Array[] = [];
  doc.on('update', (update: Uint8Array, origin: unknown) => void (origin !== 'others' && unsent.push(update)));
  return { doc, seen: 0, unsent };
}

/** Shows a person everything, and sends what their editor makes of it. */
export async function sendAll(world: World, document: DocumentName, person: Person): Promise<void> {
  catchUp(world, document, person);
  for (const update of person.unsent.splice(0)) await appendTyped(world, document, update);
}

/** Shows a person everything that was appended. */
function catchUp(world: World, document: DocumentName, person: Person): void {
  const updates = updatesOf(world, document);
  for (; person.seen < updates.length; person.seen++) {
    Y.applyUpdate(person.doc, updates[person.seen] ?? new Uint8Array(), 'others');
  }
}

/** One edit, appended at once. */
export async function typeSomething(world: World, document: DocumentName, person: Person, ledger: Ledger): Promise<void> {
  if (world.random.chance(0.6)) catchUp(world, document, person);
  person.doc.transact(() => edit(person.doc, world.random, ledger, world.log));
  for (const update of person.unsent.splice(0)) await appendTyped(world, document, update);
}

function edit(doc: Y.Doc, random: Random, ledger: Ledger, log: string[]): void {
  const { text, notes, map, list, inner } = typesOf(doc);
  const kind = random.integer(12);
  if (kind < 4) editText(text, random, ledger, log);
  else if (kind < 6) editText(notes, random, ledger, log);
  else if (kind < 7 && notes.length > 0) {
    const at = random.integer(notes.length);
    notes.format(at, 1 + random.integer(notes.length - at), { bold: random.chance(0.5) ? true : null });
    log.push('a person formats');
  } else if (kind < 9) editList(list, random, ledger, log);
  else if (kind < 11 && inner !== undefined) editText(inner, random, ledger, log);
  else map.set(`key ${random.integer(2)}`, random.integer(100));
}

function editText(text: Y.Text, random: Random, ledger: Ledger, log: string[]): void {
  const content = text.toString();
  const at = random.integer(Math.max(1, content.length));
  const letter = content[at];
  if (letter !== undefined && letter !== ledger.toggle.letter && random.chance(0.3)) {
    text.delete(at, 1);
    ledger.takeOut(letter, 'person');
    log.push(`a person takes out ${letter}`);
    return;
  }
  const fresh = ledger.newLetter('person');
  text.insert(random.integer(content.length + 1), fresh);
  log.push(`a person types ${fresh}`);
}

function editList(list: Y.Array<string>, random: Random, ledger: Ledger, log: string[]): void {
  const at = random.integer(Math.max(1, list.length));
  if (list.length > 0 && random.chance(0.3)) {
    const letter = list.get(at);
    list.delete(at, 1);
    ledger.takeOut(letter, 'person');
    log.push(`a person takes out ${letter}, an entry`);
    return;
  }
  const fresh = ledger.newLetter('person');
  list.insert(random.integer(list.length + 1), [fresh]);
  log.push(`a person adds ${fresh}`);
}
