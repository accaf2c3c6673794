/**
 * The network: the only file that knows uWebSockets.js.
 *
 * uWebSockets.js hands over bytes that are valid during the call alone, and throws when a socket that is closed is touched; neither gets past
 * this file. It also keeps a queue for each socket. That queue is not limited here, since what is put into it is (`outbox.ts`).
 */

import uws from 'uWebSockets.js';
import type { Channel, Connection, ConnectionEvents } from '#gateway/connection.ts';
import { concatenate, createCopying } from '#shared/runtime/bytes.ts';
import type { Closing } from '#shared/wire/close-codes.ts';

export type UpgradeRequest = {
  /** The path as it came, percent-encoded, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Headers as they came; '' where there is none. */
  readonly origin: string;
  readonly host: string;
};

/** A request to open a WebSocket that is let in: `attach` gets its connection and returns what hears of it. */
export type Admitted = { readonly attach: (connection: Connection) => ConnectionEvents };
export type HttpAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
};

/** A plain request as it begins. Both answer during the call alone; names in lower case. */
export type RequestHead = {
  readonly method: string;
  /** As it came, percent-encoded, without the query. */
  readonly path: string;
  /** The first line of that name; '' where there is none. */
  readonly header: (name: string) => string;
  /** All lines of that name, in their order: of a list they are parts (RFC 9110 §5.3). */
  readonly headerLines: (name: string) => readonly string[];
};

/** A request is answered by what its body says. */
export type BodyWanted = {
  readonly bytesMax: number;
  /** The answer to a longer one, which is not read to its end. */
  readonly tooLarge: HttpAnswer;
  /** Gets the whole body, as bytes of its own. Must not reject. */
  readonly take: (body: Uint8Array) => Promise<HttpAnswer>;
  /** Called once: it was answered, or whoever sent it is gone before all of it was there. */
  readonly ended: () => void;
};

export type Tls = { readonly certFile: string; readonly keyFile: string };

export type EdgeParts = {
  readonly host: string;
  /** 0 = any free. */
  readonly port: number;
  /** The longest message that reaches its session, which closes with a reason what is too long for it. A longer one drops its connection (1006). */
  readonly messageBytesMax: number;
  readonly upgrade: (request: UpgradeRequest) => Admitted | HttpAnswer;
  /** Answers whatever opens no WebSocket; a HEAD like a GET, whose body is left out here. A promise must not reject. */
  readonly request: (head: RequestHead) => HttpAnswer | Promise<HttpAnswer> | BodyWanted;
};

export type Edge = {
  readonly port: number;
  /** Drops everything. */
  readonly close: () => void;
};

type UserData = { readonly admitted: Admitted; socket: Socket | undefined; events: ConnectionEvents | undefined };

/** Seconds without a sign of life after which a socket is dropped; pings go out before. */
const idleTimeoutSeconds = 120;

/** Messages are valid during the call alone. */
const copyMessage = createCopying();

class Socket implements Connection {
  #socket: uws.WebSocket<UserData> | undefined;

  constructor(socket: uws.WebSocket<UserData>) {
    this.#socket = socket;
  }

  send(frame: Uint8Array): boolean {
    if (this.#socket === undefined) return false;
    this.#socket.send(frame, true);
    return true;
  }

  sendFragment(piece: Uint8Array, place: 'first' | 'middle' | 'last'): boolean {
    const socket = this.#socket as FragmentSender | undefined;
    if (socket === undefined) return false;
    if (place === 'first') socket.sendFirstFragment(piece, true);
    else if (place === 'middle') socket.sendFragment(piece, false);
    else socket.sendLastFragment(piece, false);
    return true;
  }

  buffered(): number {
    return this.#socket?.getBufferedAmount() ?? 0;
  }

  close({ code, reason }: Closing): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.end(code, reason);
  }

  enter(topic: string): void {
    this.#socket?.subscribe(topic);
  }

  leave(topic: string): void {
    this.#socket?.unsubscribe(topic);
  }

  /** To everyone in `topic` but this one. False where it is closed. */
  publish(topic: string, frame: Uint8Array): boolean {
    if (this.#socket === undefined) return false;
    this.#socket.publish(topic, frame, true);
    return true;
  }

  forget(): void {
    this.#socket = undefined;
  }
}

/** Not in uWebSockets.js' types, but in its binaries (v20.51). */
type FragmentSender = {
  readonly [Name in 'sendFirstFragment' | 'sendFragment' | 'sendLastFragment']: (piece: Uint8Array, option: boolean) => number;
};

type AnswerOptions = {
  /** A HEAD request gets the headers alone (RFC 9110 §9.3.2). */
  readonly isHead?: boolean;
  /** The rest of a request is still to come, and nobody will read it. */
  readonly closes?: boolean;
};

/** What has no content says nothing of its length either (RFC 9110 §8.6). */
const withoutContent: readonly number[] = [204, 304];

function answer(response: uws.HttpResponse, { status, headers, body }: HttpAnswer, options: AnswerOptions = {}): void {
  const { isHead = false, closes = false } = options;
  response.cork(() => {
    response.writeStatus(`${status} ${statusText[status] ?? ''}`);
    for (const [name, value] of Object.entries(headers)) response.writeHeader(name, value);
    if (withoutContent.includes(status)) response.endWithoutBody();
    else if (isHead) response.endWithoutBody(Buffer.byteLength(body), closes);
    else response.end(body, closes);
  });
}

export const statusText: Readonly<Record<number, string>> = {
  200: 'OK',
  201: 'Created',
  204: 'No Content',
  304: 'Not Modified',
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  426: 'Upgrade Required',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

function upgradeBy(parts: EdgeParts) {
  return (response: uws.HttpResponse, request: uws.HttpRequest, context: uws.us_socket_context_t): void => {
    const decided = parts.upgrade({
      path: request.getUrl(),
      query: new URLSearchParams(request.getQuery()),
      origin: request.getHeader('origin'),
      host: request.getHeader('host'),
    });
    if ('status' in decided) {
      answer(response, decided);
      return;
    }
    const offered = request.getHeader('sec-websocket-protocol').split(',')[0]?.trim() ?? '';
    response.upgrade<UserData>(
      { admitted: decided, socket: undefined, events: undefined },
      request.getHeader('sec-websocket-key'),
      offered,
      request.getHeader('sec-websocket-extensions'),
      context,
    );
  };
}

function answerBy(parts: EdgeParts) {
  return (response: uws.HttpResponse, request: uws.HttpRequest): void => {
    const method = request.getCaseSensitiveMethod();
    const given = parts.request({
      method,
      path: request.getUrl(),
      header: (name) => request.getHeader(name),
      headerLines: (name) => headerLines(request, name),
    });
    const isHead = method === 'HEAD';
    const announced = request.getHeader('content-length') || request.getHeader('transfer-encoding');
    const hasBody = announced !== '' && announced !== '0';
    if ('take' in given) readBody(response, Number(request.getHeader('content-length')), given);
    else if (given instanceof Promise) answerLater(response, given, isHead);
    else answer(response, given, { isHead, closes: hasBody });
  };
}

function headerLines(request: uws.HttpRequest, name: string): readonly string[] {
  const lines: string[] = [];
  request.forEach((key, value) => {
    if (key === name) lines.push(value);
  });
  return lines;
}

function answerLater(response: uws.HttpResponse, given: Promise<HttpAnswer>, isHead: boolean): void {
  let isGone = false;
  response.onAborted(() => {
    isGone = true;
  });
  void given.then((ready) => {
    if (!isGone) answer(response, ready, { isHead });
  });
}

/** Gathers a body, which comes in chunks that are valid during the call alone. `announced`: its length, 0 where that was not said. */
function readBody(response: uws.HttpResponse, announced: number, { bytesMax, tooLarge, take, ended }: BodyWanted): void {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  let state: 'reading' | 'taken' | 'over' = 'reading';
  let isGone = false;
  const end = (): void => {
    state = 'over';
    chunks.length = 0;
    ended();
  };
  const refuse = (): void => {
    answer(response, tooLarge, { closes: true });
    end();
  };
  response.onAborted(() => {
    isGone = true;
    if (state === 'reading') end();
  });
  if (announced > bytesMax) {
    refuse();
    return;
  }
  response.onData((chunk, isLast) => {
    if (state !== 'reading') return;
    bytes += chunk.byteLength;
    if (bytes > bytesMax) {
      refuse();
      return;
    }
    chunks.push(new Uint8Array(chunk.slice(0)));
    if (!isLast) return;
    state = 'taken';
    void take(concatenate(chunks)).then((ready) => {
      if (!isGone) answer(response, ready);
      end();
    });
  });
}

function createApp(tls: Tls | undefined): uws.TemplatedApp {
  if (tls === undefined) return uws.App();
  try {
    return uws.SSLApp({ cert_file_name: tls.certFile, key_file_name: tls.keyFile });
  } catch (error) {
    throw new Error(
      `can't speak TLS with the certificate ${tls.certFile} and the key ${tls.keyFile}: not there, not PEM, or no pair`,
      { cause: error },
    );
  }
}

export type Network = {
  /** A channel for connections of this network. */
  readonly openChannel: () => Channel;
  /** Opens the port. Rejects where that can't be done, saying why. */
  readonly listen: (parts: EdgeParts) => Promise<Edge>;
};

/** What is needed before the port is open. Throws where the TLS files can't be used, saying which. */
export function createNetwork(tls: Tls | undefined): Network {
  const app = createApp(tls);
  let channels = 0;
  return { openChannel: () => new TopicChannel(app, String(channels++)), listen: (parts) => listen(app, parts) };
}

function listen(app: uws.TemplatedApp, parts: EdgeParts): Promise<Edge> {
  app.ws<UserData>('/*', {
    compression: uws.DISABLED,
    maxPayloadLength: parts.messageBytesMax,
    maxBackpressure: 0,
    idleTimeout: idleTimeoutSeconds,
    sendPingsAutomatically: true,
    upgrade: upgradeBy(parts),
    open: (socket) => {
      const data = socket.getUserData();
      data.socket = new Socket(socket);
      data.events = data.admitted.attach(data.socket);
    },
    message: (socket, message) => socket.getUserData().events?.message(copyMessage(new Uint8Array(message))),
    drain: (socket) => socket.getUserData().events?.drained(),
    close: (socket) => {
      const data = socket.getUserData();
      data.socket?.forget();
      data.events?.closed();
    },
  });
  app.any('/*', answerBy(parts));
  return new Promise((resolve, reject) => {
    // A port that another process has is refused, rather than shared.
    const exclusive = 1;
    listenOn(app, parts.host, parts.port, exclusive, (listening) => {
      if (listening === false) {
        reject(
          new Error(
            `can't listen on ${parts.host}, port ${parts.port}: it is in use, not ours to use, or no address of this machine`,
          ),
        );
        return;
      }
      resolve({
        port: uws.us_socket_local_port(listening),
        close: () => void app.close(),
      });
    });
  });
}

/**
 * uWebSockets.js drains a topic's frames to a socket before anything else is sent to it, and before it unsubscribes. A class, since V8 gives each object with a getter
 * of its own a shape of its own, and each access to one of many shapes is a search.
 */
class TopicChannel implements Channel {
  readonly #app: uws.TemplatedApp;
  readonly #topic: string;
  #size = 0;

  constructor(app: uws.TemplatedApp, topic: string) {
    this.#app = app;
    this.#topic = topic;
  }

  get size(): number {
    return this.#size;
  }

  add(connection: Connection): void {
    this.#size++;
    if (connection instanceof Socket) connection.enter(this.#topic);
  }

  remove(connection: Connection): void {
    this.#size--;
    if (connection instanceof Socket) connection.leave(this.#topic);
  }

  send(frame: Uint8Array, except: Connection | undefined): void {
    if (!(except instanceof Socket && except.publish(this.#topic, frame))) this.#app.publish(this.#topic, frame, true);
  }
}

type Listener = (listening: uws.us_listen_socket | false) => void;

/** `listen` with a host *and* options is not in uWebSockets.js' types, but in its documentation and binaries. */
function listenOn(app: uws.TemplatedApp, host: string, port: number, options: number, listener: Listener): void {
  const { listen: listenUntyped } = app as unknown as {
    listen: (host: string, port: number, options: number, listener: Listener) => void;
  };
  listenUntyped.call(app, host, port, options, listener);
}
