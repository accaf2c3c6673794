/**
 * Every limit of a gateway: its unit is the end of its name, its default stands here, and how the limits relate is checked at the start.
 */

import type { Broadcast } from '#shared/journal/broadcast.ts';
import type { Journal } from '#shared/journal/journal.ts';
import { defaultUpdateLimits } from '#shared/document/limits.ts';
import { amount, duration, type SettingValues, variableName } from '#shared/runtime/config.ts';
import type { Store } from '#shared/store/store.ts';

/** What goes with a state to other gateways: the document's name, who says it, numbers. */
const presenceOverheadBytes = 1024;

const kiB = 1024;
const miB = 1024 * kiB;

export const gatewayLimitSettings = {
  // What comes in.
  connectionsMax: amount('connections', 50_000, 'connections at once; further ones are refused for now (503)'),
  frameBytesMax: amount('bytes', 32 * miB, 'longest message of a client; a longer one closes its sender (1009)', kiB, 1024 * miB),
  framesPerSecondMax: amount('messages a second', 20_000, 'messages of one connection, over ten seconds; more close it (1013)'),
  openingBytesMax: amount(
    'bytes',
    40 * miB,
    'what one connection may send while its document opens or a large update is read',
    kiB,
  ),
  heldBytesMax: amount(
    'bytes',
    4 * miB,
    'updates of one connection that wait for others that they refer to; more close it (1013)',
    kiB,
  ),
  structsPerUpdateMax: amount(
    'structs',
    defaultUpdateLimits.structsPerUpdateMax,
    'structs in one update; more close its sender (4400)',
  ),

  // Presence.
  awarenessStateBytesMax: amount('bytes', 16 * kiB, 'JSON of one awareness state; more closes its sender (4400)', 64),
  awarenessClientsPerSessionMax: amount('client ids', 32, 'awareness client ids that one connection may speak for'),
  awarenessClientsPerDocumentMax: amount(
    'client ids',
    20_000,
    'awareness client ids of one document, and in one message; further ones stay unseen',
  ),

  // Rooms.
  documentBytesMax: amount('bytes', 256 * miB, 'size of one document; who would make it larger is closed (1009)', kiB),
  documentsMax: amount('documents', 20_000, 'documents open at once; further ones are refused for now (1013)'),
  roomsBytesMax: amount('bytes', 2048 * miB, 'bytes of all open documents; past it further ones are refused for now (1013)', miB),
  sessionsPerDocumentMax: amount('sessions', 20_000, 'sessions on one document; further ones are refused for now (1013)'),
  roomIdleMs: duration(10_000, 'how long a document stays in memory after its last session'),
  tailBytesMax: amount(
    'bytes',
    64 * miB,
    'journal records kept in memory for documents that open next, over all partitions',
    kiB,
  ),
  foldBytesMax: amount(
    'bytes',
    64 * kiB,
    'documents up to this size are asked what Yjs deleted by itself, so that it makes no record',
    0,
  ),

  // What goes out.
  flushDelayMsMax: duration(8, 'longest that edits are gathered under load before they are published', 0, 1000),
  outboxHighWaterBytes: amount(
    'bytes',
    256 * kiB,
    'unread bytes at which a connection counts as slow and is sent only merged updates',
    kiB,
  ),
  outboxBytesMax: amount(
    'bytes',
    4 * miB,
    'questions that wait for their answers on a connection that does not read; more close it (1013)',
    kiB,
  ),
  fragmentBytes: amount('bytes', 64 * kiB, 'size of the pieces in which large messages are sent', kiB),
  missedBytesMax: amount('bytes', miB, 'recent updates that a document keeps for its slow sessions', 0),
  keepAliveMs: duration(20_000, 'a connection to which nothing was sent for so long is sent an empty frame', 100, 25_000),

  // The journal.
  appendIntervalMs: duration(12, 'shortest time between two appends under load', 0, 1000),
  unsavedBytesMax: amount('bytes', 64 * miB, 'edits that wait for the journal; past it their documents are closed (1013)', kiB),
  unsavedMsMax: duration(15_000, 'longest that edits wait for the journal; past it their documents are closed (1013)', 100),
};

export type GatewayLimits = SettingValues<typeof gatewayLimitSettings>;

/**
 * An edit that is taken must fit into one record, and into one segment of the store: what is refused only there has been seen by everybody.
 * Returns what is wrong, a line each.
 */
export function checkAgainstStorage(
  limits: GatewayLimits,
  journal: Pick<Journal, 'recordBytesMax'>,
  store: Pick<Store, 'segmentBytesMax'>,
  broadcast?: Pick<Broadcast, 'messageBytesMax'>,
): readonly string[] {
  const check = (limit: keyof GatewayLimits, bytesMax: number, what: string): readonly string[] =>
    limits[limit] <= bytesMax ? [] : [`${variableName(limit)} (${limits[limit]}) is above the ${bytesMax} bytes ${what}`];
  const presenceBytesMax = (broadcast?.messageBytesMax ?? Infinity) - presenceOverheadBytes;
  return [
    ...check('frameBytesMax', journal.recordBytesMax, 'that a record of the journal has at most'),
    ...check('frameBytesMax', store.segmentBytesMax, 'that a segment of the store has at most'),
    ...check('awarenessStateBytesMax', presenceBytesMax, 'that other gateways can be told of one person'),
  ];
}

/** How the limits must relate for the promises to hold. Returns what is wrong, a line each. */
export function checkGatewayLimits(limits: GatewayLimits): readonly string[] {
  const atLeast = (larger: keyof GatewayLimits, smaller: keyof GatewayLimits, why: string): readonly string[] =>
    limits[larger] >= limits[smaller]
      ? []
      : [`${variableName(larger)} (${limits[larger]}) is below ${variableName(smaller)} (${limits[smaller]}): ${why}`];
  return [
    ...atLeast('openingBytesMax', 'frameBytesMax', 'a client may send one whole frame while its document opens'),
    ...atLeast('documentBytesMax', 'frameBytesMax', 'a frame that is taken must have a document that it fits in'),
    ...atLeast('roomsBytesMax', 'documentBytesMax', 'the largest document could never be opened'),
    ...atLeast('unsavedBytesMax', 'frameBytesMax', 'the largest frame could never be saved'),
    ...atLeast('outboxBytesMax', 'outboxHighWaterBytes', 'a slow connection would be closed before it counts as slow'),
    ...atLeast('outboxHighWaterBytes', 'fragmentBytes', 'one piece of a message would make its reader slow'),
  ];
}
