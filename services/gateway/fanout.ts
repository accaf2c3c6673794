/**
 * From a room to its readers.
 *
 * Nine tenths of the cost of an edit is here, since it is paid once for each reader. So a frame is encoded once for all whose door frames alike,
 * and handed to their channel at once. A channel does not say who reads slowly: after every so many bytes each session looks at what its socket
 * holds, and those that are behind leave the channel (`outbox.ts`). Long frames, for which handing over costs little beside writing, are given to each
 * session by itself, which then knows at once.
 */

import type { Channel } from '#gateway/connection.ts';
import type { Framing } from '#gateway/framing.ts';
import type { Outbox, Traffic } from '#gateway/outbox.ts';
import type { PresenceChanges, Speaker } from '#gateway/presence.ts';

/** A session as a receiver. */
export type Reader = { readonly outbox: Outbox; readonly speaker: Speaker };

export type FanoutParts = {
  readonly limits: { readonly outboxHighWaterBytes: number };
  readonly traffic: Traffic;
  readonly openChannel: () => Channel;
};

/** What a reader may be sent before it is looked at, as a part of what makes it slow. */
const uncheckedParts = 16;
/** Longer frames do not go by channel. */
const channelFrameBytesMax = 4096;

export class Fanout {
  readonly #parts: FanoutParts;
  readonly #channels = new Map<Framing, Channel>();
  #spoken = 0;
  #unchecked = 0;

  constructor(parts: FanoutParts) {
    this.#parts = parts;
  }

  /** How many frames went to all readers that are not behind. */
  get spoken(): number {
    return this.#spoken;
  }

  /** The channel of those whose door frames alike. */
  channelFor(framing: Framing): Channel {
    const channel = this.#channels.get(framing) ?? this.#parts.openChannel();
    this.#channels.set(framing, channel);
    return channel;
  }

  /** Sends an update to all of `readers`, who are in the channels, but for `except`. */
  sendUpdate(update: Uint8Array, readers: Iterable<Reader>, except: Reader | undefined): void {
    for (const [framing, channel] of this.#channels) {
      if (channel.size === 0) continue;
      const frame = framing.update(update);
      if (frame.length > channelFrameBytesMax) sendToEach(readers, framing, frame, except);
      else this.#sendToAll(channel, framing, frame, except);
    }
    if (except === undefined) this.#spoken++;
    if (this.#unchecked < this.#parts.limits.outboxHighWaterBytes / uncheckedParts) return;
    this.#unchecked = 0;
    for (const { outbox } of readers) outbox.checkUnread();
  }

  /** Tells those of `readers` who were told who is here what has changed, and asks whom it is about to ask. */
  sendPresence({ update, questions }: PresenceChanges, readers: Iterable<Reader>): void {
    const frames = new Map<Framing, Uint8Array>();
    for (const { outbox, speaker } of readers) {
      if (update !== undefined && speaker.informed) {
        const frame = frames.get(outbox.framing) ?? outbox.framing.awareness(update);
        frames.set(outbox.framing, frame);
        outbox.presence(frame);
      }
      const question = questions.get(speaker);
      if (question !== undefined) outbox.presence(outbox.framing.awareness(question));
    }
  }

  #sendToAll(channel: Channel, framing: Framing, frame: Uint8Array, except: Reader | undefined): void {
    const isOneLess = except !== undefined && except.outbox.framing === framing && !except.outbox.isBehind;
    const count = channel.size - (isOneLess ? 1 : 0);
    if (count === 0) return;
    channel.send(frame, except?.outbox.connection);
    this.#unchecked += frame.length;
    this.#parts.traffic.framesOut += count;
    this.#parts.traffic.bytesOut += count * frame.length;
  }
}

function sendToEach(readers: Iterable<Reader>, framing: Framing, frame: Uint8Array, except: Reader | undefined): void {
  for (const reader of readers) {
    if (reader !== except && reader.outbox.framing === framing) reader.outbox.update(frame);
  }
}
