/** Opening a document: its stored updates become a `DocumentState` in steps that leave the event loop free in between. */

import { DocumentState } from './document-state.ts';
import { storedUpdateLimits } from './limits.ts';
import { startScan } from './scan.ts';

/** Thrown for stored bytes that are no update, or not the whole of one document: never a reason to serve an empty or a partial one. */
export class DocumentUnreadable extends Error {
  override readonly name = 'DocumentUnreadable';
}

/** About 2 ms of scanning. */
const stepBytes = 256 * 1024;

/**
 * Loads what is stored of a document: a snapshot, segments, records of the journal. They may overlap and repeat; each is complete given those before it.
 * `pause` is awaited between steps of a few milliseconds.
 * @throws DocumentUnreadable where that is not so. Nothing partial is ever returned.
 */
export async function loadDocumentState(updates: readonly Uint8Array[], pause: () => Promise<void>): Promise<DocumentState> {
  const state = new DocumentState();
  let budget = stepBytes;
  for (const [index, bytes] of updates.entries()) {
    const where = `update ${index + 1} of ${updates.length}`;
    const scan = startScan(bytes, storedUpdateLimits);
    let scanned = scan.step(budget);
    while (scanned === undefined) {
      await pause();
      budget = stepBytes;
      scanned = scan.step(budget);
    }
    if ('refused' in scanned) throw new DocumentUnreadable(`${where}: ${scanned.refused}`);
    budget -= bytes.length;
    if (budget <= 0) {
      await pause();
      budget = stepBytes;
    }
    const judgement = state.judge(scanned);
    if (judgement.kind === 'waiting') {
      const { client, clock } = judgement.missing;
      throw new DocumentUnreadable(`${where} needs clock ${clock} of client ${client}, which is not there`);
    }
    if (bytes.length > stepBytes) await pause();
    if (judgement.kind === 'fresh') state.take(judgement.update);
  }
  return state;
}
