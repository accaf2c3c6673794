/** What went wrong, for programs and for people (RFC 9457). */

import { type HttpAnswer, statusText } from '#gateway/edge.ts';

export type ProblemParts = {
  readonly headers?: Readonly<Record<string, string>>;
  /** Further members. */
  readonly members?: Readonly<Record<string, unknown>>;
};

/** `detail`: what, where, and what to do. */
export function problem(status: number, detail: string, { headers = {}, members = {} }: ProblemParts = {}): HttpAnswer {
  return {
    status,
    headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store', ...headers },
    body: `${JSON.stringify({ type: 'about:blank', title: statusText[status] ?? '', status, detail, ...members })}\n`,
  };
}
