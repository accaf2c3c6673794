/**
 * How far everything that was announced has been looked at.
 *
 * Announcements come in order, looks end in any order, and the token that is stored says "everything up to here". Stored as soon as it comes, it would pass over what was still to be looked at when this process died. So it
 * moves past an announcement when that one and all before it were looked at, and no further. It is stored now and then: an old one costs looking twice.
 *
 * Many announcements are of what is waited for anyway. Those are no more than a later token for the one before, so what is kept here grows with the documents that wait, and not with how often they are announced.
 */

import type { Clock } from '#shared/runtime/clock.ts';
import type { Logger } from '#shared/runtime/telemetry.ts';
import { pause } from '#shared/runtime/waiting.ts';
import type { Changes, ChangeToken } from '#shared/store/changes.ts';

/** Some announcements, up to `token`, and the looks at what was in them that nobody before them waits for. */
type Announcement = { token: ChangeToken | undefined; readonly looks: Set<Promise<boolean>> };

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
  readonly #announcements: Announcement[] = [];
  /** The looks of all of them. */
  readonly #looks = new Set<Promise<boolean>>();
  #reached: ChangeToken | undefined;
  #stored: ChangeToken | undefined;
  #storing = false;

  constructor(options: TokenProgressOptions) {
    this.#options = options;
  }

  /** An announcement that ended at `token`. Each of `looks` resolves with whether what was in it was looked at; one that is waited for already may be there again. */
  push(token: ChangeToken | undefined, looks: readonly Promise<boolean>[]): void {
    const own = looks.filter((look) => !this.#looks.has(look));
    const last = this.#announcements.at(-1);
    if (own.length === 0 && last !== undefined) last.token = token ?? last.token;
    else this.#await({ token, looks: new Set(own) });
    this.#proceed();
  }

  #await(announcement: Announcement): void {
    this.#announcements.push(announcement);
    for (const look of announcement.looks) {
      this.#looks.add(look);
      void look.then((wasLooked) => {
        if (!wasLooked) return; // and never will be: it ends here
        this.#looks.delete(look);
        announcement.looks.delete(look);
        this.#proceed();
      });
    }
  }

  #proceed(): void {
    while (this.#announcements[0]?.looks.size === 0) this.#reached = this.#announcements.shift()?.token ?? this.#reached;
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
