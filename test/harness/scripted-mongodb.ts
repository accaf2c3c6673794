/**
 * A MongoDB server that answers what a test tells it to: for what no database does on command, such as a write that no majority confirms, a time of its
 * cluster, or a primary that has lost its office. It speaks the wire protocol (OP_MSG, and OP_QUERY for the driver's first hello), keeps nothing, and remembers what it was sent.
 */

import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { BSON, Timestamp, type Document } from 'mongodb';

const opReply = 1;
const opQuery = 2004;
const opMessage = 2013;
const headerBytes = 16;

/** What is answered to a command: a document (without `ok` it is 1), nothing at all, or the end of the connection. */
export type Answer = Document | 'nothing' | 'cut';

export type ScriptedMongodb = {
  /** `127.0.0.1:<port>` */
  readonly address: string;
  /** Every command but those with which drivers look after their connections, in the order in which they came. */
  readonly commands: Document[];
  /** Reads nothing more on the connections that there are, and leaves them open: as a frozen server does. */
  readonly stopReading: () => void;
  readonly close: () => Promise<void>;
};

export type Script = {
  /** `member` is the primary of a replica set, `follower` another of its members; `alone` is a single server. */
  readonly role: 'member' | 'follower' | 'alone';
  readonly hasSessions?: boolean;
  /** Answers to commands; undefined leaves it to the server, which finds nothing and writes everything. */
  readonly answer?: (command: Document) => Answer | undefined | Promise<Answer | undefined>;
};

/** A time of the cluster, `seconds` after its beginning. */
export const clusterTime = (seconds: number): Timestamp => new Timestamp({ t: seconds, i: 1 });

/** What a member adds to an answer to say what time it was. */
export const atTime = (seconds: number): Document => ({
  operationTime: clusterTime(seconds),
  $clusterTime: {
    clusterTime: clusterTime(seconds),
    signature: { hash: new BSON.Binary(new Uint8Array(20)), keyId: BSON.Long.fromNumber(0) },
  },
});

const bookkeeping: ReadonlySet<string> = new Set(['hello', 'ismaster', 'isMaster', 'ping', 'endSessions']);
const nameOfCommand = (command: Document): string => Object.keys(command)[0] ?? '';

/** Starts a server on 127.0.0.1. The caller closes it. */
export async function startScriptedMongodb(script: Script): Promise<ScriptedMongodb> {
  const commands: Document[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy());
    readMessages(socket, async (command) => {
      const name = nameOfCommand(command);
      if (!bookkeeping.has(name)) commands.push(command);
      const scripted = await script.answer?.(command);
      if (typeof scripted === 'string') return scripted;
      return { ...(scripted ?? usual(name, script, address)), ok: scripted?.['ok'] ?? 1 };
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    address,
    commands,
    stopReading: () => {
      for (const socket of sockets) socket.pause();
    },
    close: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}

function usual(command: string, { role, hasSessions = true }: Script, address: string): Document {
  switch (command) {
    case 'hello':
    case 'ismaster':
    case 'isMaster': {
      const isPrimary = role !== 'follower';
      const set = {
        setName: 'set',
        hosts: [address],
        me: address,
        secondary: !isPrimary,
        ...(isPrimary ? { primary: address } : {}),
      };
      return {
        helloOk: true,
        ismaster: isPrimary,
        isWritablePrimary: isPrimary,
        maxBsonObjectSize: 16 * 1024 * 1024,
        maxMessageSizeBytes: 48_000_000,
        maxWriteBatchSize: 100_000,
        minWireVersion: 0,
        maxWireVersion: 21,
        ...(hasSessions ? { logicalSessionTimeoutMinutes: 30 } : {}),
        ...(role === 'alone' ? {} : set),
      };
    }
    case 'find':
      return { cursor: { id: BSON.Long.fromNumber(0), ns: 'test.c', firstBatch: [] } };
    case 'insert':
    case 'delete':
      return { n: 1 };
    case 'update':
      return { n: 1, nModified: 1 };
    default:
      return {};
  }
}

/** What `find` answers where these documents are found. */
export const found = (documents: readonly Document[]): Document => ({
  cursor: { id: BSON.Long.fromNumber(0), ns: 'test.c', firstBatch: documents },
});

function readMessages(socket: Socket, answerTo: (command: Document) => Promise<Answer>): void {
  let waiting = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    waiting = Buffer.concat([waiting, chunk]);
    while (waiting.byteLength >= headerBytes && waiting.byteLength >= waiting.readInt32LE(0)) {
      const message = waiting.subarray(0, waiting.readInt32LE(0));
      waiting = waiting.subarray(message.byteLength);
      void answerTo(commandIn(message)).then((answer) => {
        if (answer === 'cut') socket.destroy();
        else if (answer !== 'nothing') socket.write(replyTo(message, answer));
      });
    }
  });
}

function commandIn(message: Buffer): Document {
  if (message.readInt32LE(12) === opQuery) {
    const afterName = message.indexOf(0, headerBytes + 4) + 1;
    return BSON.deserialize(message.subarray(afterName + 8));
  }
  let command: Document = {};
  for (let at = headerBytes + 4; at < message.byteLength;) {
    const kind = message.readUInt8(at);
    const bytes = message.readInt32LE(at + 1);
    const section = message.subarray(at + 1, at + 1 + bytes);
    if (kind === 0) command = { ...BSON.deserialize(section), ...command };
    else command = { ...command, ...sequenceIn(section) };
    at += 1 + bytes;
  }
  return command;
}

/** Documents that a command takes in a section of their own. */
function sequenceIn(section: Buffer): Document {
  const afterName = section.indexOf(0, 4) + 1;
  const documents: Document[] = [];
  for (let at = afterName; at < section.byteLength; at += section.readInt32LE(at))
    documents.push(BSON.deserialize(section.subarray(at, at + section.readInt32LE(at))));
  return { [section.toString('utf8', 4, afterName - 1)]: documents };
}

function replyTo(message: Buffer, answer: Document): Buffer {
  const isQuery = message.readInt32LE(12) === opQuery;
  const body = BSON.serialize(answer);
  const prefix = Buffer.alloc(isQuery ? 20 : 5);
  if (isQuery) prefix.writeInt32LE(1, 16);
  const header = Buffer.alloc(headerBytes);
  header.writeInt32LE(headerBytes + prefix.byteLength + body.byteLength, 0);
  header.writeInt32LE(message.readInt32LE(4), 8);
  header.writeInt32LE(isQuery ? opReply : opMessage, 12);
  return Buffer.concat([header, prefix, body]);
}
