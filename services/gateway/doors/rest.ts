/**
 * The JSON door: documents over plain HTTP, for programs that know nothing of Yjs.
 *
 *     GET    /v1/documents/<name, percent-encoded>/json     the document as it is, with a strong ETag
 *     PUT                                                   makes it say the value in the body; makes it where there is none
 *     PATCH                                                 the same for what a JSON Merge Patch names (RFC 7396)
 *
 * A change is answered when it is durable, and then the ETag is that of the document with this change and nothing else in it. Were it that of the document a moment later, with what somebody
 * typed meanwhile, the program would say `If-Match` of text that it never saw, and take it away with its next PUT. As it is, that PUT is answered 412.
 *
 * What is wrong is said in `application/problem+json`. Browsers' pages from elsewhere are refused as they are at the other doors.
 */

import { failedCondition, parseConditions, type Conditions } from '#gateway/doors/entity-tags.ts';
import { problem } from '#gateway/doors/problem.ts';
import type { BodyWanted, HttpAnswer, RequestHead } from '#gateway/edge.ts';
import type { JsonChange, JsonDocuments, JsonLook, JsonOutcome } from '#gateway/json-documents.ts';
import { isForeignPage } from '#gateway/page-origin.ts';
import { decodeName } from '#gateway/path-name.ts';
import type { DocumentName } from '#shared/document/name.ts';
import { isUnavailable } from '#shared/store/unavailable.ts';

export type RestLimits = { readonly jsonBodyBytesMax: number; readonly jsonRequestsMax: number };

export type RestParts = {
  readonly documents: JsonDocuments;
  readonly limits: RestLimits;
  readonly refusesForeignPages: boolean;
  readonly isDraining: () => boolean;
  /** Why nothing may be written now, or undefined. */
  readonly writersMustWait: () => string | undefined;
  /** Told of what should not happen; must not throw. */
  readonly onThrown: (document: DocumentName, error: unknown) => void;
};

export type RestDoor = {
  /** Of a path that begins with `restPath`. */
  readonly answer: (head: RequestHead) => HttpAnswer | Promise<HttpAnswer> | BodyWanted;
  /** Resolves when nothing is under way. */
  readonly finished: () => Promise<void>;
};

export const restPath = '/v1/';
const documentsPath = '/v1/documents/';
const jsonSuffix = '/json';

const mergePatchType = 'application/merge-patch+json';
const jsonType = 'application/json';
const patchTypes: readonly string[] = [mergePatchType, jsonType];
const acceptPatch = patchTypes.join(', ');
const methods = 'GET, HEAD, PUT, PATCH';

/** Seconds after which somebody who was sent away may ask again. */
const retryAfterSeconds = 2;
const comeBack = { headers: { 'retry-after': String(retryAfterSeconds) } };

const inDoubt = 'A change may have been made, or yet be made';

/** A header holds so many bytes of what a value lacks; the rest is a number. */
const unrepresentedBytesMax = 2048;

type Asked = { readonly document: DocumentName; readonly conditions: Conditions };

/** Answers requests; at most `jsonRequestsMax` are under way. */
export function createRestDoor(parts: RestParts): RestDoor {
  const { documents, limits } = parts;
  let underWay = 0;
  let waiting: (() => void)[] = [];

  const finish = (): void => {
    underWay--;
    if (underWay > 0) return;
    for (const resolve of waiting) resolve();
    waiting = [];
  };
  /** What an answer waits for may be away, and nobody else is to suffer from what should not happen. */
  const attempt = async (document: DocumentName, work: () => Promise<HttpAnswer>): Promise<HttpAnswer> => {
    try {
      return await work();
    } catch (error) {
      if (isUnavailable(error)) return problem(503, `the storage is away: ${error.message}. ${inDoubt}`, comeBack);
      parts.onThrown(document, error);
      return problem(500, `the document could not be read or changed. ${inDoubt}`);
    }
  };
  const look = async ({ document, conditions }: Asked): Promise<HttpAnswer> => {
    underWay++;
    const answered = await attempt(document, async () => answerLook(await documents.look(document), conditions));
    finish();
    return answered;
  };
  const change = ({ document, conditions }: Asked, kind: JsonChange['kind']): BodyWanted => {
    underWay++;
    return {
      bytesMax: limits.jsonBodyBytesMax,
      tooLarge: problem(413, `the body has more than the ${limits.jsonBodyBytesMax} bytes that are taken`),
      take: (body) =>
        attempt(document, async () => {
          const holds = (etag: string | undefined): boolean => failedCondition(conditions, etag) === undefined;
          return answerChange(await documents.change(document, { kind, body }, holds));
        }),
      ended: finish,
    };
  };

  return {
    answer: (head) => {
      const asked = parseRequest(head, parts);
      if ('status' in asked) return asked;
      if (underWay >= limits.jsonRequestsMax)
        return problem(503, `${limits.jsonRequestsMax} requests are under way; there is no room for more`, comeBack);
      if (head.method === 'GET' || head.method === 'HEAD') return look(asked);
      const kind = head.method === 'PUT' ? 'replace' : 'merge';
      return contentProblem(head, kind) ?? writersProblem(parts) ?? change(asked, kind);
    },
    finished: () => (underWay === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  };
}

function parseRequest(head: RequestHead, { isDraining, refusesForeignPages }: RestParts): Asked | HttpAnswer {
  if (isDraining()) return problem(503, 'the server is stopping', comeBack);
  if (refusesForeignPages && isForeignPage(head.header('origin'), head.header('host')))
    return problem(403, 'pages from elsewhere may not open documents here');
  const { path, method } = head;
  if (!path.startsWith(documentsPath) || !path.endsWith(jsonSuffix))
    return problem(404, `there is ${documentsPath}<name, percent-encoded>${jsonSuffix}`);
  const parsed = decodeName(path.slice(documentsPath.length, -jsonSuffix.length));
  if ('refusal' in parsed) return problem(400, parsed.refusal);
  if (!methods.split(', ').includes(method))
    return problem(405, `a document takes ${methods}`, { headers: { allow: methods, 'accept-patch': acceptPatch } });
  const conditions = parseConditions(head.headerLines('if-match'), head.headerLines('if-none-match'));
  if ('unreadable' in conditions) return problem(400, `${conditions.unreadable} is neither * nor a list of entity tags`);
  return { document: parsed.name, conditions };
}

/** What is wrong with the body by its headers. A piece of a document is none (RFC 9110 §14.5). */
function contentProblem(head: RequestHead, kind: JsonChange['kind']): HttpAnswer | undefined {
  const type = head.header('content-type').split(';')[0]?.trim().toLowerCase() ?? '';
  const taken = kind === 'merge' ? patchTypes : [jsonType];
  const headers = kind === 'merge' ? { 'accept-patch': acceptPatch } : { accept: jsonType };
  if (!taken.includes(type)) return problem(415, `the content type is "${type}"; taken is ${taken.join(' or ')}`, { headers });
  if (head.header('content-range') !== '') return problem(400, 'a body with Content-Range is a part; send the whole of it');
  const encoding = head.header('content-encoding').trim().toLowerCase();
  if (encoding === '' || encoding === 'identity') return undefined;
  return problem(415, `the body is encoded as "${encoding}"; send it as it is`, { headers: { 'accept-encoding': 'identity' } });
}

function writersProblem({ writersMustWait }: RestParts): HttpAnswer | undefined {
  const reason = writersMustWait();
  return reason === undefined ? undefined : problem(503, reason, comeBack);
}

/** Conditions count where the answer would be 200 without them (RFC 9110 §13.2.1). */
function answerLook(look: JsonLook, conditions: Conditions): HttpAnswer {
  switch (look.kind) {
    case 'unknown':
      return problem(404, 'there is no such document; PUT makes one');
    case 'unfit':
      return problem(422, look.reason);
    case 'found': {
      const { etag } = look.representation;
      const failed = failedCondition(conditions, etag);
      if (failed === 'if-match') return preconditionFailed(etag);
      const headers = { etag, 'cache-control': 'private, no-cache' };
      if (failed === 'if-none-match') return { status: 304, headers, body: '' };
      const lacking = unrepresentedHeader(look.unrepresented);
      return {
        status: 200,
        headers: { 'content-type': jsonType, 'x-content-type-options': 'nosniff', ...headers, ...lacking },
        body: look.representation.text,
      };
    }
  }
}

/** What of the document is not in the answer, as a JSON list in ASCII. */
function unrepresentedHeader(lines: readonly string[]): Readonly<Record<string, string>> {
  if (lines.length === 0) return {};
  const shown: string[] = [];
  let bytes = 0;
  for (const line of lines) {
    if (line.length > unrepresentedBytesMax) break;
    const text = asciiOf(line);
    if ((bytes += text.length + ','.length) > unrepresentedBytesMax) break;
    shown.push(text);
  }
  if (shown.length < lines.length) shown.push(`"${lines.length} in all"`);
  return { 'inkstream-unrepresented': `[${shown.join(',')}]` };
}

const asciiOf = (line: string): string =>
  JSON.stringify(line).replaceAll(/[^\x20-\x7e]/gu, (one) => one.split('').map(escaped).join(''));

const escaped = (unit: string): string => String.raw`\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;

function preconditionFailed(etag: string | undefined): HttpAnswer {
  const detail = etag === undefined ? 'there is no such document' : `the document is there, and its ETag is now ${etag}`;
  return problem(412, detail, etag === undefined ? {} : { headers: { etag }, members: { etag } });
}

function answerChange(outcome: JsonOutcome): HttpAnswer {
  switch (outcome.kind) {
    case 'changed':
      return { status: outcome.isNew ? 201 : 204, headers: { etag: outcome.etag, 'cache-control': 'no-store' }, body: '' };
    case 'precondition-failed':
      return preconditionFailed(outcome.etag);
    case 'malformed': {
      const { reason, line, column } = outcome;
      return problem(400, `line ${line}, column ${column}: ${reason}`, { members: { line, column } });
    }
    case 'refused':
      return problem(422, outcome.reason);
  }
}
