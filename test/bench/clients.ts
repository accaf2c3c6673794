/**
 * Clients that type and read, thousands to a process, without a document in any of them.
 *
 * A client knows how many clocks of each writer of its document it has received; that is enough to tell a new edit from an echo, to see a
 * gap, and to time each edit's arrival. Edits are frames that were made before the clock ran.
 */

import { makeKeystrokes, writerOf } from './edits.ts';
import { readIncoming, type Outgoing } from './dialects.ts';
import { documentName, gatewayOf, monotonicMs, type Plan } from './plan.ts';
import { emptyHistogram, record, type Histogram } from './histogram.ts';
import { readSections } from './sections.ts';
import { openWebSocket, type WebSocketConnection } from './websocket.ts';

export type Room = { readonly document: number; readonly frames: Outgoing };

export type Client = {
  readonly room: Room;
  readonly index: number;
  /** How many clocks of each writer of the document have arrived. */
  readonly received: Float64Array;
  connection: WebSocketConnection | undefined;
  synced: boolean;
  framesSent: number;
  framesSettled: number;
  updatesIn: number;
  writer: Writer | undefined;
  /** Called when anything arrives that `until` may be waiting for. */
  onProgress: (() => void) | undefined;
};

export type Writer = {
  readonly frames: readonly Buffer[];
  /** When each edit was written; 0 before. */
  readonly sentAt: Float64Array;
  /** Step2 and Update frames sent before the first edit. */
  framesBefore: number;
  settled: number;
};

/** What all clients of a process count together. Edits written outside the window are not timed. */
export type Tally = {
  windowFrom: number;
  windowTo: number;
  framesIn: number;
  /** Pairs of an edit and a client other than its writer. */
  pairsReceived: number;
  /** Those of them that came within the window, whenever they were written. */
  pairsInWindow: number;
  gaps: number;
  opening: Histogram;
  openingBytesMin: number;
  latency: Histogram;
  /** Of readers on another gateway than the writer. */
  latencyAcross: Histogram;
  settling: Histogram;
};

export const emptyTally = (): Tally => ({
  windowFrom: Number.POSITIVE_INFINITY,
  windowTo: Number.POSITIVE_INFINITY,
  framesIn: 0,
  pairsReceived: 0,
  pairsInWindow: 0,
  gaps: 0,
  opening: emptyHistogram(),
  openingBytesMin: Number.POSITIVE_INFINITY,
  latency: emptyHistogram(),
  latencyAcross: emptyHistogram(),
  settling: emptyHistogram(),
});

/** Makes a client ready to type; the keystrokes are those of this writer, at a place of its own in the base. */
export function makeWriter(plan: Plan, room: Room, index: number, base: Uint8Array): Writer {
  const position = Math.floor(((index + 0.5) * plan.baseCharacters) / plan.writersPerDocument);
  const updates = makeKeystrokes(base, room.document * plan.writersPerDocument + index, position, plan.editsPerWriter);
  return { frames: updates.map(room.frames.update), sentAt: new Float64Array(plan.editsPerWriter), framesBefore: 0, settled: 0 };
}

/** Counts what an update brings to `client`, and times it. */
function takeUpdate({ plan, tally, writers }: Fleet, client: Client, bytes: Uint8Array, at: number): void {
  const now = monotonicMs();
  client.updatesIn++;
  const inWindow = now >= tally.windowFrom && now < tally.windowTo;
  if (inWindow) tally.framesIn++;
  const { ranges, count } = readSections(bytes, at);
  for (let section = 0; section < count; section++) {
    const number = writerOf(ranges[section * 3] ?? 0);
    const writer = number - client.room.document * client.received.length;
    const have = client.received[writer];
    const from = ranges[section * 3 + 1] ?? 0;
    const to = ranges[section * 3 + 2] ?? 0;
    if (have === undefined || to <= have) continue;
    client.received[writer] = to;
    if (writer === client.index) continue;
    if (from > have) tally.gaps++;
    const pairs = to - Math.max(from, have);
    tally.pairsReceived += pairs;
    if (inWindow) tally.pairsInWindow += pairs;
    const sentAt = writers.get(number)?.sentAt;
    if (sentAt === undefined) continue;
    const isAcross = (writer - client.index) % plan.ports.length !== 0;
    for (let clock = Math.max(from, have); clock < to; clock++) {
      const sent = sentAt[clock] ?? 0;
      if (sent < tally.windowFrom || sent >= tally.windowTo) continue;
      record(tally.latency, now - sent);
      if (isAcross) record(tally.latencyAcross, now - sent);
    }
  }
}

function takeSettled(client: Client, frames: number, tally: Tally): void {
  client.framesSettled = frames;
  const writer = client.writer;
  if (writer === undefined) return;
  const now = monotonicMs();
  for (const settled = frames - writer.framesBefore; writer.settled < settled; writer.settled++) {
    const sent = writer.sentAt[writer.settled] ?? 0;
    if (sent >= tally.windowFrom && sent < tally.windowTo) record(tally.settling, now - sent);
  }
}

export type Fleet = {
  readonly plan: Plan;
  readonly tally: Tally;
  /** Of this process, by number. */
  readonly writers: ReadonlyMap<number, Writer>;
  readonly onFailure: (reason: string) => void;
};

/** Opens a client's connection and does the protocol's opening; `synced` becomes true with the server's Step2. */
export function openClient(fleet: Fleet, client: Client): void {
  const { plan, tally } = fleet;
  const { frames, document } = client.room;
  const began = monotonicMs();
  const suffix = client.index < Math.max(1, plan.writersPerDocument) ? plan.pathSuffix : '';
  const path = plan.dialect === 'hocuspocus' ? plan.pathPrefix : `${plan.pathPrefix}${documentName(document)}${suffix}`;

  const onMessage = (bytes: Uint8Array, start: number, end: number): void => {
    const message = readIncoming(plan.dialect, bytes, start, end);
    if (message.kind === 'update' || (message.kind === 'step2' && client.synced)) takeUpdate(fleet, client, bytes, message.at);
    else if (message.kind === 'settled') takeSettled(client, message.frames, tally);
    else if (message.kind === 'confirmed') takeSettled(client, client.framesSettled + 1, tally);
    else if (message.kind === 'step1') sendFrame(client, frames.emptyStep2);
    else if (message.kind === 'ping') client.connection?.writeFrame(frames.pong);
    else if (message.kind === 'refused') fleet.onFailure(`refused: ${message.reason}`);
    else if (message.kind === 'step2') {
      record(tally.opening, monotonicMs() - began);
      tally.openingBytesMin = Math.min(tally.openingBytesMin, message.bytes);
      client.synced = true;
    }
    client.onProgress?.();
  };

  const connection = openWebSocket(plan.ports[gatewayOf(document, client.index, plan.ports.length)] ?? 0, path, {
    onOpen: () => frames.opening.forEach((frame) => connection.writeFrame(frame)),
    onMessage,
    onClose: (reason) => {
      if (client.connection !== undefined) fleet.onFailure(`${documentName(document)}, client ${client.index}: ${reason}`);
    },
  });
  client.connection = connection;
}

/** Sends a Step2 or an Update. */
export function sendFrame(client: Client, frame: Uint8Array): void {
  client.framesSent++;
  client.connection?.writeFrame(frame);
}

export function closeClient(client: Client): void {
  const connection = client.connection;
  client.connection = undefined;
  connection?.close();
}

/** Resolves when `condition` holds; looked at whenever something arrives for this client. */
export function until(client: Client, condition: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    client.onProgress = () => {
      if (!condition()) return;
      client.onProgress = undefined;
      resolve();
    };
    client.onProgress();
  });
}
