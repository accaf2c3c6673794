/**
 * How far everything that was announced has been looked at.
 *
 * Announcements come in order, looks end in any order, and the token that is stored says "everything up to here". Stored as soon as it comes, it would pass over what was still to be looked at when this process died. So it
 * moves past an announcement when that one and all before it were looked at, and no further. It is stored now and then: an old one costs looking twice.
 */

import type { Clock } from '#shared/runtime/clock.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { pause } from '#shared/runtime/waiting.ts';
import type { Changes, ChangeToken } from '#shared/store/changes.ts';

type Announcement = { readonly token: ChangeToken | undefined; isLooked: boolean };

export type TokenProgressOptions = {
  readonly changes: Changes;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly intervalMs: number;
  /** Nothing is stored once it is aborted. */
  readonly signal: AbortSignal;
};

export class TokenProgress {
  readonly #options: TokenProgressOptions;
  /** Those that were looked at, with one before them that was not; one that is followed by another that was looked at too is left out. */
  #announcements: Announcement[] = [];
  #reached: ChangeToken | undefined;
  #stored: ChangeToken | undefined;
  #storing = false;

  constructor(options: TokenProgressOptions) {
    this.#options = options;
  }

  /** An announcement that ended at `token`. `looked` resolves with whether all of it was looked at. */
  push(token: ChangeToken | undefined, looked: Promise<boolean>): void {
    const announcement: Announcement = { token, isLooked: false };
    this.#announcements.push(announcement);
    void looked.then((isLooked) => {
      announcement.isLooked = isLooked;
      this.#proceed();
    });
  }

  #proceed(): void {
    while (this.#announcements[0]?.isLooked === true) this.#reached = this.#announcements.shift()?.token ?? this.#reached;
    this.#announcements = this.#announcements.filter(
      ({ isLooked }, i) => !isLooked || this.#announcements[i + 1]?.isLooked !== true,
    );
    if (!this.#storing) void this.#store();
  }

  async #store(): Promise<void> {
    const { changes, clock, logger, intervalMs, signal } = this.#options;
    this.#storing = true;
    while (this.#reached !== this.#stored && this.#reached !== undefined && !signal.aborted) {
      const token = this.#reached;
      try {
        await changes.storeToken(token);
        this.#stored = token;
      } catch (error) {
        logger.warn({ reason: String(error) }, 'how far changes were looked at could not be stored');
      }
      await pause(clock, intervalMs, signal);
    }
    this.#storing = false;
  }
}
