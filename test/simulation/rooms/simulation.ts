/**
 * Several people edit one document through a room, over connections that lose and reorder, and reconnect now and then; some talk to each other directly; somebody
 * sends rubbish. At any moment a fresh reader, one who returns and the persister must have what the oracle has.
 */

import { expect } from 'vitest';
import * as Y from 'yjs';
import { compact } from '#shared/document/compact.ts';
import { loadDocumentState } from '#shared/document/load.ts';
import { mergeUpdates } from '#shared/document/merge.ts';
import { parseStateVector, type StateVector } from '#shared/document/state-vector.ts';
import { contentOf, contentWithoutPairs, edit, openRoots, undoManagerOf } from './editing.ts';
import { hostileUpdate } from './hostile.ts';
import { seeded, type Random } from './random.ts';
import { expectEqual, expectNothingPending, hex, quietDocument, Room } from './room.ts';

export type Weather = {
  readonly steps: number;
  /** Of frames, either way. */
  readonly loss: number;
  readonly reordering: number;
  /** Of steps in which somebody hostile sends something. */
  readonly hostility: number;
};

/** What the oracle has. */
type Expected = { readonly vector: string; readonly content: string };

type Peer = {
  readonly document: Y.Doc;
  readonly undo: Y.UndoManager;
  readonly outbox: Uint8Array[];
  readonly inbox: Uint8Array[];
  /** What the room lets wait for this session. */
  held: Uint8Array[];
  connected: boolean;
};

const network = 'network';
const heldMax = 30;
const hostileClients = [901, 902, 903];

function vectorOf(document: Y.Doc): StateVector {
  const vector = parseStateVector(Y.encodeStateVector(document));
  if ('refused' in vector) throw new Error(vector.refused);
  return vector;
}

/** Plays one seed; rejects where something differs. */
export async function simulate(seed: number, weather: Weather): Promise<Room> {
  const play = new Play(seeded(seed), weather);
  for (let step = 0; step < weather.steps; step++) await play.step();
  await play.end();
  return play.room;
}

class Play {
  readonly room = new Room();
  readonly #random: Random;
  readonly #weather: Weather;
  readonly #peers: readonly Peer[];
  /** States that somebody had earlier and comes back with. */
  readonly #earlier: Uint8Array[] = [];
  readonly #contentOf: (document: Y.Doc) => string;

  constructor(random: Random, weather: Weather) {
    this.#random = random;
    this.#weather = weather;
    this.#contentOf = weather.hostility > 0 ? contentWithoutPairs : contentOf;
    this.#peers = Array.from({ length: 2 + random.integer(4) }, (_, index) => newPeer(1 + index * 7 + random.integer(5), random));
  }

  async step(): Promise<void> {
    const random = this.#random;
    const peer = random.pick(this.#peers);
    edit(peer.document, random, peer.undo);
    if (random.chance(0.06)) {
      if (peer.connected) peer.connected = false;
      else this.#reconnect(peer);
    }
    if (random.chance(0.05)) this.#talkDirectly(peer, random.pick(this.#peers));
    if (random.chance(this.#weather.hostility)) this.#attack();
    for (const other of this.#peers) if (other.connected) this.#exchange(other);
    if (random.chance(0.5)) this.#flush();
    if (random.chance(0.05)) await this.#check();
  }

  async end(): Promise<void> {
    for (let round = 0; round < 4; round++) {
      for (const peer of this.#peers) {
        this.#reconnect(peer);
        this.#flush();
      }
    }
    const said = this.#contentOf(this.room.oracle);
    for (const peer of this.#peers) {
      Y.applyUpdate(peer.document, this.room.state.diff(vectorOf(peer.document)), network);
      expectEqual(this.#contentOf(peer.document), said);
      expect(peer.held).toEqual([]);
    }
    await this.#check();
  }

  #attack(): void {
    const bytes = hostileUpdate(
      this.#random,
      hostileClients,
      (client) => this.room.state.vectorMap.get(client) ?? 0,
      [...this.room.state.vectorMap.keys()],
      'plain',
    );
    if (this.room.receive(bytes, false) === 'taken') this.#retryHeld();
  }

  #receive(peer: Peer, update: Uint8Array): void {
    const received = this.room.receive(update, true);
    if (received === 'waiting') peer.held.push(update);
    if (received === 'taken') this.#retryHeld();
  }

  #retryHeld(): void {
    for (let again = true; again;) {
      again = false;
      for (const peer of this.#peers) {
        peer.held = peer.held.filter((update) => {
          const received = this.room.receive(update, true);
          again ||= received === 'taken';
          return received === 'waiting';
        });
      }
    }
  }

  #exchange(peer: Peer): void {
    const random = this.#random;
    const { loss, reordering } = this.#weather;
    const next = (queue: Uint8Array[]): Uint8Array | undefined =>
      queue.splice(random.chance(reordering) ? random.integer(queue.length) : 0, 1)[0];
    while (peer.outbox.length > 0 && random.chance(0.8)) {
      const update = next(peer.outbox);
      if (update !== undefined && !random.chance(loss)) this.#receive(peer, update);
    }
    while (peer.inbox.length > 0 && random.chance(0.8)) {
      const update = next(peer.inbox);
      if (update !== undefined && !random.chance(loss)) Y.applyUpdate(peer.document, update, network);
    }
    if (peer.held.length > heldMax) this.#reconnect(peer);
  }

  #talkDirectly(from: Peer, to: Peer): void {
    if (from === to) return;
    Y.applyUpdate(to.document, Y.encodeStateAsUpdate(from.document, Y.encodeStateVector(to.document)), network);
  }

  #flush(): void {
    const record = this.room.flush();
    if (record === undefined) return;
    for (const peer of this.#peers) if (peer.connected) peer.inbox.push(record);
  }

  #reconnect(peer: Peer): void {
    peer.connected = true;
    peer.outbox.length = peer.inbox.length = peer.held.length = 0;
    const { state } = this.room;
    Y.applyUpdate(peer.document, state.diff(vectorOf(peer.document)), network);
    const step2 = Y.encodeStateAsUpdate(peer.document, state.vector);
    const received = this.room.receive(step2, true);
    if (received === 'waiting') this.room.receiveInParts(step2);
    if (received !== 'nothing-new') this.#retryHeld();
  }

  async #check(): Promise<void> {
    this.#flush();
    const { room } = this;
    const expected = { vector: hex(Y.encodeStateVector(room.oracle)), content: this.#contentOf(room.oracle) };
    const whole = room.state.encode();
    this.#expectSame(whole, expected, 'a fresh reader');
    for (const earlier of this.#earlier) {
      const document = quietDocument(this.#random.chance(0.5));
      Y.applyUpdate(document, earlier);
      Y.applyUpdate(document, Buffer.concat(room.state.diffParts(vectorOf(document))));
      this.#expectDocument(document, expected, 'one who returns');
    }
    if (this.#earlier.length < 4) this.#earlier.push(whole);
    const segments = this.#segments();
    this.#expectSame(compact(segments), expected, 'a compacted document');
    const loaded = await loadDocumentState(segments, () => Promise.resolve());
    expectEqual(hex(loaded.vector), hex(room.state.vector));
    this.#expectSame(loaded.encode(), expected, 'a loaded document');
    this.#expectSame(mergeUpdates(segments), expected, 'merged segments');
  }

  /** The records in runs of any length, merged; some twice, as after a restart. */
  #segments(): Uint8Array[] {
    const { records } = this.room;
    const segments: Uint8Array[] = [];
    for (let first = 0; first < records.length;) {
      const length = 1 + this.#random.integer(this.#random.chance(0.5) ? 3 : records.length);
      segments.push(mergeUpdates(records.slice(first, first + length)));
      first += length;
      if (this.#random.chance(0.2)) first = Math.max(0, first - 1 - this.#random.integer(3));
    }
    return segments;
  }

  #expectSame(update: Uint8Array, expected: Expected, who: string): void {
    const document = quietDocument(this.#random.chance(0.5));
    Y.applyUpdate(document, update);
    this.#expectDocument(document, expected, who);
  }

  #expectDocument(document: Y.Doc, expected: Expected, who: string): void {
    expectNothingPending(document);
    expectEqual(hex(Y.encodeStateVector(document)), expected.vector, who);
    expectEqual(this.#contentOf(document), expected.content, who);
  }
}

function newPeer(client: number, random: Random): Peer {
  const document = new Y.Doc({ gc: random.chance(0.6), guid: '' });
  document.clientID = client;
  openRoots(document);
  const peer: Peer = { document, undo: undoManagerOf(document), outbox: [], inbox: [], held: [], connected: true };
  document.on('update', (update, origin) => {
    if (origin !== network) peer.outbox.push(update);
  });
  return peer;
}
