/**
 * What goes out to one session, however slowly it reads.
 *
 * A server that queues for a slow reader hands its memory to whoever stops reading; one that drops messages leaves the reader with a
 * document that is wrong; one that closes slow readers makes them download everything again, slowly. So nothing that can be worked out later
 * is ever queued. A session is in one of three states:
 *
 *   flowing    every frame goes to its socket as it comes;
 *   behind     the socket holds more than `outboxHighWaterBytes`: updates and presence are left out, and only *where it was* is kept;
 *   streaming  one large message is on its way in pieces, a few at a time; nothing may come between them, so it is behind as well.
 *
 * When the socket drains, a session that is behind gets what can't be left out first (answers to Step1, the acknowledgement: a number that
 * replaces the one before it), and then one update that brings it from where it was to where the room is, and who is here now. What can't be
 * conflated (several Step1 with different vectors) is counted, and past `outboxBytesMax` the session is closed.
 *
 * A client on a fast line takes twenty megabytes as fast as they can be written, and everybody else would wait for it. So one session writes
 * a few pieces when it is its turn, and then others have theirs.
 */

import type { Channel, Connection } from '#gateway/connection.ts';
import { bytesOf, type Framing, type Parts } from '#gateway/framing.ts';
import { type Closing, tryLater } from '#shared/wire/close-codes.ts';

/** A moment in a room's life: how many frames it had published, and the state vector (encoded) that it had then. */
export type Position = { readonly sequence: number; readonly vector: Uint8Array };

/** What a session that fell behind asks its room for. */
export type CatchUp = {
  readonly position: () => Position;
  /** One update that brings a reader from `from` to now, or undefined where nothing was published since. */
  readonly missedSince: (from: Position) => Parts | undefined;
  /** The answer to a Step1: an update of all that `vector` lacks. */
  readonly stateFor: (vector: Uint8Array) => Parts;
  /** An awareness update of everyone who is here, and where `missed` of those who went lately; or undefined where that is nobody. */
  readonly everyone: (missed: boolean) => Uint8Array | undefined;
  /** How many frames the room has sent to all who are not behind. */
  readonly spoken: () => number;
  /** Tells the room that a session began or ceased to be behind: it keeps recent updates only while one is. */
  readonly slowReaders: (change: 1 | -1) => void;
};

export type OutboxLimits = {
  readonly outboxHighWaterBytes: number;
  readonly outboxBytesMax: number;
  readonly fragmentBytes: number;
};

export type Traffic = { framesOut: number; bytesOut: number; slowReaders: number };

/** A piece of 64 KiB is written in some 20 µs, so this is a fraction of a millisecond. */
const piecesPerTurn = 8;
/** What a question that waits for its answer is counted with, besides its vector. */
const questionBytes = 64;

/** A message on its way: the first `part` parts went, and `offset` bytes of the next one. */
type Stream = { readonly parts: Parts; readonly bytes: number; part: number; offset: number; sent: number };

export class Outbox {
  readonly #connection: Connection;
  readonly #framing: Framing;
  readonly #channel: Channel;
  readonly #room: CatchUp;
  readonly #limits: OutboxLimits;
  readonly #traffic: Traffic;
  readonly #overflow: (closing: Closing) => void;
  readonly #turn: () => Promise<void>;
  #behindSince: Position | undefined;
  #stream: Stream | undefined;
  #presenceMissed = false;
  #ackDue = 0;
  readonly #stepsDue: Uint8Array[] = [];
  #stepsDueBytes = 0;
  #closed = false;
  #awaitsTurn = false;
  #spokeRecently = true;
  #spokenSeen = 0;

  /** `channel` is what the room sends to the sessions that are flowing, this one from now on. `overflow` is called when the session has to be closed; `turn` resolves when the session may write much. */
  constructor(
    connection: Connection,
    framing: Framing,
    channel: Channel,
    room: CatchUp,
    limits: OutboxLimits,
    traffic: Traffic,
    overflow: (closing: Closing) => void,
    turn: () => Promise<void>,
  ) {
    this.#connection = connection;
    this.#framing = framing;
    this.#channel = channel;
    this.#room = room;
    this.#limits = limits;
    this.#traffic = traffic;
    this.#overflow = overflow;
    this.#turn = turn;
    channel.add(connection);
  }

  get connection(): Connection {
    return this.#connection;
  }

  get framing(): Framing {
    return this.#framing;
  }

  get isBehind(): boolean {
    return this.#behindSince !== undefined;
  }

  /** An update that the room publishes, already framed; the room's position is the one after it. */
  update(frame: Uint8Array): void {
    if (this.#behindSince === undefined) this.#data(frame);
  }

  /** Who is here changed; already framed. */
  presence(frame: Uint8Array): void {
    if (this.#behindSince === undefined) this.#data(frame);
    else this.#presenceMissed = true;
  }

  /** Tells the session who is here: all of them. */
  everyone(): void {
    if (this.#behindSince === undefined) this.#data(this.#everyoneFrame(false));
    else this.#presenceMissed = true;
  }

  /** Asks the client for what the room lacks. One that is behind is not asked: it has enough to do. */
  ask(vector: Uint8Array): void {
    if (this.#behindSince === undefined) this.#send(this.#framing.step1(vector));
  }

  /** Answers a Step1, now or as soon as the socket has room. */
  step2(vector: Uint8Array): void {
    if (this.#behindSince === undefined) {
      this.#writeNow(this.#framing.step2(this.#room.stateFor(vector)));
      return;
    }
    this.#stepsDue.push(vector);
    this.#stepsDueBytes += vector.length + questionBytes;
    if (this.#stepsDueBytes > this.#limits.outboxBytesMax)
      this.#overflow(tryLater('too many questions are waiting to be answered'));
  }

  /** The first `frames` frames of this session are settled. */
  ack(frames: number): void {
    const { ack } = this.#framing;
    if (ack === undefined) return;
    // A client that sends and does not read would otherwise pile up acknowledgements in its socket.
    if (this.#behindSince === undefined) this.#data(ack(frames));
    else this.#ackDue = frames;
  }

  /** Sends an empty frame if nothing was sent since the last call. */
  keepAlive(): void {
    const spoken = this.#room.spoken();
    const isSilent = !this.#spokeRecently && this.#spokenSeen === spoken;
    if (isSilent && this.#behindSince === undefined) this.#send(this.#framing.keepAlive);
    this.#spokeRecently = false;
    this.#spokenSeen = spoken;
  }

  /** Looks whether the socket has more than it should: the room calls this after every so many bytes that it sent by channel. */
  checkUnread(): void {
    if (this.#behindSince === undefined && this.#connection.buffered() > this.#limits.outboxHighWaterBytes) this.#becomeBehind();
  }

  /** The socket took something: go on with what waits. */
  drained(): void {
    if (this.#stream === undefined) this.#advance();
    else this.#awaitTurn();
  }

  #advance(): void {
    if (this.#behindSince === undefined || this.#awaitsTurn) return;
    const turnEnd = this.#traffic.bytesOut + piecesPerTurn * this.#limits.fragmentBytes;
    while (!this.#closed && this.#connection.buffered() < this.#limits.outboxHighWaterBytes) {
      if (this.#traffic.bytesOut >= turnEnd) {
        this.#awaitTurn();
        return;
      }
      if (this.#stream !== undefined) this.#continueStream(this.#stream);
      else if (this.#ackDue > 0) this.#sendAckDue();
      else if (!this.#catchUp()) return;
    }
  }

  #awaitTurn(): void {
    if (this.#awaitsTurn) return;
    this.#awaitsTurn = true;
    void this.#turn().then(() => {
      this.#awaitsTurn = false;
      this.#advance();
    });
  }

  /** Nothing goes out any more. */
  end(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#becomeFlowing();
    this.#channel.remove(this.#connection);
  }

  /** One step from behind to flowing. False once there. */
  #catchUp(): boolean {
    const vector = this.#stepsDue.shift();
    if (vector !== undefined) {
      this.#stepsDueBytes -= vector.length + questionBytes;
      const from = this.#room.position();
      this.#write(this.#framing.step2(this.#room.stateFor(vector)));
      // A Step2 brings everything up to now, whatever was missed before.
      this.#behindSince = from;
      return true;
    }
    if (this.#behindSince === undefined) return false;
    const missed = this.#room.missedSince(this.#behindSince);
    if (missed !== undefined) {
      this.#behindSince = this.#room.position();
      this.#write(this.#framing.catchUp(missed));
      return true;
    }
    if (this.#presenceMissed) {
      this.#presenceMissed = false;
      const frame = this.#everyoneFrame(true);
      if (frame !== undefined) this.#write([frame]);
      return true;
    }
    this.#becomeFlowing();
    return false;
  }

  #everyoneFrame(missed: boolean): Uint8Array | undefined {
    const everyone = this.#room.everyone(missed);
    return everyone === undefined ? undefined : this.#framing.awareness(everyone);
  }

  #data(frame: Uint8Array | undefined): void {
    if (frame !== undefined) this.#writeNow([frame]);
  }

  #writeNow(parts: Parts): void {
    if (this.#closed) return;
    this.#write(parts);
    if (this.#stream !== undefined) this.#awaitTurn();
    this.checkUnread();
  }

  /** A message whole, or the first pieces of it. */
  #write(parts: Parts): void {
    const bytes = bytesOf(parts);
    if (bytes <= this.#limits.fragmentBytes) {
      this.#send(joined(parts, bytes));
      return;
    }
    if (this.#behindSince === undefined) this.#becomeBehind();
    this.#stream = { parts, bytes, part: 0, offset: 0, sent: 0 };
    this.#traffic.framesOut++;
  }

  #continueStream(stream: Stream): void {
    const piece = takePiece(stream, this.#limits.fragmentBytes);
    const place = stream.sent === 0 ? 'first' : stream.sent + piece.length === stream.bytes ? 'last' : 'middle';
    this.#connection.sendFragment(piece, place);
    this.#spokeRecently = true;
    this.#traffic.bytesOut += piece.length;
    stream.sent += piece.length;
    if (place === 'last') this.#stream = undefined;
  }

  #send(frame: Uint8Array): void {
    if (this.#closed) return;
    this.#spokeRecently = true;
    this.#traffic.framesOut++;
    this.#traffic.bytesOut += frame.length;
    this.#connection.send(frame);
  }

  #sendAckDue(): void {
    const { ack } = this.#framing;
    if (ack !== undefined) this.#send(ack(this.#ackDue));
    this.#ackDue = 0;
  }

  #becomeBehind(): void {
    this.#behindSince = this.#room.position();
    this.#channel.remove(this.#connection);
    this.#traffic.slowReaders++;
    this.#room.slowReaders(1);
  }

  #becomeFlowing(): void {
    if (this.#behindSince === undefined) return;
    this.#behindSince = undefined;
    this.#stream = undefined;
    this.#channel.add(this.#connection);
    this.#traffic.slowReaders--;
    this.#room.slowReaders(-1);
  }
}

function joined(parts: Parts, bytes: number): Uint8Array {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  return takePiece({ parts, bytes, part: 0, offset: 0, sent: 0 }, bytes);
}

/** Where small parts are joined. A connection keeps nothing of what it is given, so there is one for all. */
let scratch = new Uint8Array(0);

/** The next `bytesMax` bytes of a stream, or what is left of it: a view, good until the next call. */
function takePiece(stream: Stream, bytesMax: number): Uint8Array {
  if (scratch.length < bytesMax) scratch = new Uint8Array(bytesMax);
  let bytes = 0;
  for (let part = stream.parts[stream.part]; part !== undefined && bytes < bytesMax; part = stream.parts[stream.part]) {
    const end = Math.min(part.length, stream.offset + bytesMax - bytes);
    const view = stream.offset === 0 && end === part.length ? part : part.subarray(stream.offset, end);
    stream.offset = end === part.length ? 0 : end;
    if (end === part.length) stream.part++;
    if (view.length === bytesMax) return view;
    scratch.set(view, bytes);
    bytes += view.length;
  }
  return scratch.subarray(0, bytes);
}
