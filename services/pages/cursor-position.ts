/**
 * A cursor's position as it comes from somebody else's browser.
 */

import * as Y from 'yjs';
import { field } from './people.ts';

/**
 * A relative position out of JSON of any shape: beside a character, or at the end of the root type `rootName`. Undefined for everything else: Yjs would
 * throw on a clock that is none, and make a root type of any name that it does not know.
 */
export function readPosition(json: unknown, rootName: string): Y.RelativePosition | undefined {
  const assoc = field(json, 'assoc') ?? 0;
  const client = field(field(json, 'item'), 'client');
  const clock = field(field(json, 'item'), 'clock');
  if (!isCount(client) || !isCount(clock)) {
    return field(json, 'tname') === rootName ? Y.createRelativePositionFromJSON({ tname: rootName }) : undefined;
  }
  return Y.createRelativePositionFromJSON({ item: { client, clock }, assoc: assoc === -1 ? -1 : 0 });
}

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
