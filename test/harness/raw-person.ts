/** Somebody with a Y.Doc on a raw connection: cheap enough to have many, and sees every frame. */

import type * as Y from 'yjs';
import { BareClient } from '#test/harness/bare-client.ts';
import { openRawClient, type RawClient, type RawClosing } from '#test/harness/raw-client.ts';

const waitMsMax = 45_000;

export type RawPerson = {
  readonly client: BareClient;
  readonly connection: RawClient;
  readonly closing: () => RawClosing | undefined;
  /** From each edit to its acknowledgement, in ms, as far as acknowledgements came one by one. */
  readonly ackMs: number[];
  /** Resolves when `condition` is true; looked at after each message. Rejects after 45 s. */
  readonly until: (what: string, condition: () => boolean) => Promise<void>;
  readonly leave: () => void;
};

export type RawPersonOptions = {
  readonly port: number;
  readonly document: string;
  readonly doc?: Y.Doc;
  readonly localAddress?: string;
};

/** Opens a document; the frames of the server are not kept. */
export async function openRawPerson({ port, document, doc, localAddress }: RawPersonOptions): Promise<RawPerson> {
  const client = new BareClient(doc);
  client.keepsFrames = false;
  const watchers = new Set<() => void>();
  const sentAt: number[] = [];
  const ackMs: number[] = [];
  let closing: RawClosing | undefined;
  const look = (): void => {
    for (const watcher of [...watchers]) watcher();
  };
  const connection = await openRawClient({
    port,
    path: `/ws/${document}?ack=1`,
    ...(localAddress === undefined ? {} : { localAddress }),
    onMessage: (message) => {
      const before = client.acknowledged;
      client.receive(message);
      if (client.acknowledged > before) ackMs.push(performance.now() - (sentAt[client.acknowledged] ?? Number.NaN));
      look();
    },
  });
  void connection.closed.then((how) => {
    closing = how;
    look();
  });
  client.open((message) => {
    sentAt[client.sent] = performance.now();
    connection.send(message);
  });
  const until = (what: string, condition: () => boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      const deadline = setTimeout(() => {
        watchers.delete(watcher);
        const state = `synced: ${client.synced}, sent: ${client.sent}, acknowledged: ${client.acknowledged}, closed: ${closing?.code}`;
        reject(new Error(`${what}: not within ${waitMsMax} ms (${document}; ${state})`));
      }, waitMsMax);
      const watcher = (): void => {
        if (!condition()) return;
        clearTimeout(deadline);
        watchers.delete(watcher);
        resolve();
      };
      watchers.add(watcher);
      watcher();
    });
  return {
    client,
    connection,
    closing: () => closing,
    ackMs,
    until,
    leave: () => {
      client.destroy();
      connection.drop();
    },
  };
}
