/** One client that comes new, with a real Y.Doc: reads what a server has, or puts a document into it. */

import * as Y from 'yjs';
import { rootName, writerId } from './edits.ts';
import { outgoing, readIncoming } from './dialects.ts';
import { documentName, type Plan } from './plan.ts';
import type { RunningServer } from './servers.ts';
import { openWebSocket, type WebSocketConnection } from './websocket.ts';

type Place = { readonly server: RunningServer; readonly document: number; readonly gateway: number };

const answerMsMax = 30_000;

/** Runs `session` on a connection to `document` at one of the gateways that has had its Step2. `settled()` is how many of its frames the server has settled. */
async function withClient<Result>(
  { server, document, gateway }: Place,
  session: (client: { readonly step2: Uint8Array; readonly send: (update: Uint8Array) => Promise<void> }) => Promise<Result>,
): Promise<Result> {
  const { kind, ports } = server;
  const name = documentName(document);
  const frames = outgoing(kind.dialect, name);
  const path = kind.dialect === 'hocuspocus' ? kind.pathPrefix : `${kind.pathPrefix}${name}${kind.pathSuffix}`;
  let connection: WebSocketConnection | undefined;
  let sent = 0;
  let settled = 0;
  let onSettled = (): void => undefined;
  let fail = (_error: Error): void => undefined;
  const send = (frame: Uint8Array): void => {
    sent++;
    connection?.writeFrame(frame);
  };
  const failed = new Promise<never>((_resolve, reject) => (fail = reject));
  const deadline = setTimeout(() => fail(new Error(`${name} was not answered within ${answerMsMax} ms`)), answerMsMax);
  const step2 = new Promise<Uint8Array>((resolve) => {
    connection = openWebSocket(ports[gateway] ?? 0, path, {
      onOpen: () => frames.opening.forEach((frame) => connection?.writeFrame(frame)),
      onMessage: (bytes, start, end) => {
        const message = readIncoming(kind.dialect, bytes, start, end);
        if (message.kind === 'step1') send(frames.emptyStep2);
        else if (message.kind === 'step2')
          resolve(Uint8Array.prototype.slice.call(bytes, message.at, message.at + message.bytes));
        else if (message.kind === 'refused') fail(new Error(message.reason));
        else if (message.kind === 'settled') settled = message.frames;
        onSettled();
      },
      onClose: (reason) => fail(new Error(reason)),
    });
  });
  const sendSettled = (update: Uint8Array): Promise<void> =>
    new Promise((resolve) => {
      onSettled = () => void (settled >= sent && resolve());
      send(frames.update(update));
    });
  try {
    const client = { step2: await Promise.race([step2, failed]), send: sendSettled };
    return await Promise.race([session(client), failed]);
  } finally {
    clearTimeout(deadline);
    failed.catch(() => undefined);
    connection?.close();
  }
}

/** What is wrong with a document, read at one of the gateways, that should hold the base and all edits of its writers; undefined where nothing is. */
export async function findLoss(place: Place, plan: Omit<Plan, 'worker'>): Promise<string | undefined> {
  const { document } = place;
  const doc = new Y.Doc();
  await withClient(place, async ({ step2 }) => Y.applyUpdate(doc, step2));
  const clocks = Y.decodeStateVector(Y.encodeStateVector(doc));
  const typed = Array.from({ length: plan.writersPerDocument }, (_, index) =>
    clocks.get(writerId(document * plan.writersPerDocument + index)),
  ).reduce<number>((sum, clock) => sum + (clock ?? 0), 0);
  const expected = plan.writersPerDocument * plan.editsPerWriter;
  const characters = doc.getText(rootName).length;
  if (typed !== expected) return `${documentName(document)} has ${typed} of ${expected} edits`;
  if (characters !== plan.baseCharacters + expected) return `${documentName(document)} has ${characters} characters`;
  return undefined;
}

/** Whether `document` reads back as the state `whole`. */
export async function holdsState(server: RunningServer, document: number, whole: Uint8Array): Promise<boolean> {
  const read = new Y.Doc();
  const wanted = new Y.Doc();
  Y.applyUpdate(wanted, whole);
  await withClient({ server, document, gateway: 0 }, async ({ step2 }) => Y.applyUpdate(read, step2));
  return read.getText(rootName).toString() === wanted.getText(rootName).toString();
}

/** Puts a document into a durable server, one update after the other, each settled before the next. */
export async function putDocument(server: RunningServer, document: number, updates: readonly Uint8Array[]): Promise<void> {
  await withClient({ server, document, gateway: 0 }, async ({ send }) => {
    for (const update of updates) await send(update);
  });
}
