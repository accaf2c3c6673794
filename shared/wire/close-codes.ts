/**
 * Why a connection is closed, as WebSocket close codes.
 *
 * A code says above all whether the client should come back. y-websocket 3.1 takes 4400–4499 as "never", and everything else as "after a
 * back-off of at most 2.5 s". So what passes by itself has a code of RFC 6455, and what the same client would only run into again is 44xx.
 */

export type Closing = { readonly code: number; readonly reason: string };

/** RFC 6455 §5.5.1: a control frame carries 125 bytes, two of which are the code. */
const reasonBytesMax = 123;

const encoder = new TextEncoder();

/** The reason cut to what a close frame can carry, never inside a character. */
function fit(reason: string): string {
  if (reason.length * 3 <= reasonBytesMax) return reason;
  const { read } = encoder.encodeInto(reason, new Uint8Array(reasonBytesMax));
  return reason.slice(0, read);
}

const closing =
  (code: number) =>
  (reason: string): Closing => ({ code, reason: fit(reason) });

/** The server is going away or starting the document anew: come back, perhaps to another one. */
export const restarting = closing(1012);

/** A limit is reached, or something that is needed is away: come back later. */
export const tryLater = closing(1013);

/** One frame, or the document with it, is larger than what is taken. */
export const tooLarge = closing(1009);

/** Whether a client that is closed so comes back at once, only to run into the same. */
export const comesBackInVain = ({ code }: Closing): boolean => [1009, 1011, 1013].includes(code);

/** What is stored of the document can't be read: somebody has to look at it. */
export const unreadable = closing(1011);

/** The frame can't be read, or would break every reader: the same client would only send it again. */
export const malformed = closing(4400);
