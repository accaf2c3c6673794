/**
 * Which pages may open documents.
 *
 * A browser lets every page open a WebSocket to every address, the reader's own machine included, and sends along whose page it is: `Origin`.
 * CORS does not apply. So a server on loopback is not reached by its machine alone: any page that somebody on that machine visits could read and
 * write all documents. Where nobody is asked who they are, only pages from this machine or from the server itself are let in. Programs that are
 * no browsers send no origin, and say what they like in any case.
 */

const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/u;

/** Whether `origin`, as the header says it ('' where there is none), is a page of somebody else than the server at `host`, the header. */
export function isForeignPage(origin: string, host: string): boolean {
  if (origin === '') return false;
  const page = URL.parse(origin);
  if (page === null || page.host === '') return true;
  // Parsed alike, so that the port that a scheme implies may be written or not.
  return !loopback.test(page.hostname) && page.host !== URL.parse(`${page.protocol}//${host}`)?.host;
}
