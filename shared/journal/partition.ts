/**
 * Which partition a document is in, for the journals that choose for themselves: FNV-1a over its UTF-8, by the count. Never to be
 * changed.
 */

import { Buffer } from 'node:buffer';
import type { DocumentName } from '#shared/document/name.ts';
import type { Partition } from './journal.ts';

export function partitionByName(document: DocumentName, partitionCount: number): Partition {
  if (partitionCount === 1) return 0;
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(document, 'utf8')) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0) % partitionCount;
}
