/**
 * What people really typed, typed again through real clients.
 *
 * One trace has one author: his edits are dealt out in turns among several writers, and since each position speaks of the whole text, a writer takes
 * over when he has everything that the one before him typed. Clients live on through faults, so what the server did not acknowledge comes back
 * with their Step2; in the end everyone has the text that the trace ends with.
 *
 * The other trace has two authors, who typed at once and saw each other's edits late. Each has a draft, a Y.Doc that holds exactly what the trace says that he
 * had seen, and a live client that the draft's updates go into. A draft takes an edit of the other author when the trace says so, and not before that
 * edit has come to the live client through the server. Everyone must end with the text of a Y.Doc that was given the same updates.
 */

import * as Y from 'yjs';
import type { ConcurrentTrace, Patch, SequentialTrace } from '#test/harness/traces.ts';
import { isSame, type Client } from '#test/harness/y-websocket-client.ts';

/** A writer takes over after so many edits. */
const turnEdits = 13_000;
/** After so many edits others have a turn of the event loop. */
const burstEdits = { alone: 50, together: 20 };

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function applyPatches(text: Y.Text, patches: readonly Patch[]): void {
  for (const [position, deleted, inserted] of patches) {
    if (deleted > 0) text.delete(position, deleted);
    if (inserted !== '') text.insert(position, inserted);
  }
}

/** Types a trace of one author, in turns. `onTyped` is called after each edit. Returns whoever typed last. */
export async function typeInTurns(writers: readonly Client[], { txns }: SequentialTrace, onTyped: () => void): Promise<Client> {
  let before = writers[0] as Client;
  for (let turn = 0; turn * turnEdits < txns.length; turn++) {
    const writer = writers[turn % writers.length] as Client;
    const earlier = before;
    await writer.until('the next writer has everything', () => turn === 0 || isSame(writer, earlier));
    for (const [at, { patches }] of txns.slice(turn * turnEdits, (turn + 1) * turnEdits).entries()) {
      applyPatches(writer.text, patches);
      onTyped();
      if (at % burstEdits.alone === 0) await nextTurn();
    }
    before = writer;
  }
  return before;
}

/** Types a trace of several authors, each by a client of his own, all at once. Returns the text that they must end with, and how many edits each made. */
export async function typeTogether(
  authors: readonly Client[],
  trace: ConcurrentTrace,
  pasts: readonly (readonly number[])[],
  onTyped: () => void,
): Promise<{ readonly text: string; readonly edits: readonly number[] }> {
  const oracle = new Y.Doc();
  const drafts = authors.map(() => new Y.Doc());
  /** The updates of each author's edits, in order, and up to which clock of his draft each goes. */
  const typed = authors.map((): { readonly update: Uint8Array; readonly clock: number }[] => []);
  drafts.forEach((draft, agent) =>
    draft.on('update', (update, origin) => {
      if (origin === 'other') return;
      Y.applyUpdate(oracle, update);
      typed[agent]?.push({ update, clock: Y.getState(draft.store, draft.clientID) });
      Y.applyUpdate((authors[agent] as Client).doc, update, 'typed');
    }),
  );
  const write = async (agent: number): Promise<void> => {
    const client = authors[agent] as Client;
    const draft = drafts[agent] as Y.Doc;
    const other = 1 - agent;
    let taken = 0;
    for (const [at, { agent: author, patches }] of trace.txns.entries()) {
      if (author !== agent) continue;
      for (const wanted = pasts[at]?.[other] ?? 0; taken < wanted; taken++) {
        await client.until('the edit of the other author', () => {
          const edit = typed[other]?.[taken];
          return edit !== undefined && Y.getState(client.doc.store, (drafts[other] as Y.Doc).clientID) >= edit.clock;
        });
        Y.applyUpdate(draft, typed[other]?.[taken]?.update ?? new Uint8Array(), 'other');
      }
      draft.transact(() => applyPatches(draft.getText('text'), patches));
      onTyped();
      if (at % burstEdits.together === 0) await nextTurn();
    }
  };
  await Promise.all(authors.map((_, agent) => write(agent)));
  return { text: oracle.getText('text').toJSON(), edits: typed.map((edits) => edits.length) };
}
