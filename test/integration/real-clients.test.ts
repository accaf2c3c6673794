/** What people with unmodified y-websocket clients see of each other. */

import { expect, onTestFinished, test } from 'vitest';
import * as Y from 'yjs';
import { startCrashingServer, type CrashingServer } from '#test/harness/crashing-server.ts';
import { openClient, type Client } from '#test/harness/y-websocket-client.ts';

async function start(): Promise<CrashingServer> {
  const server = await startCrashingServer();
  onTestFinished(() => server.remove());
  return server;
}

function open(server: CrashingServer, document: string, resyncIntervalMs?: number): Client {
  const client = openClient({ url: server.wsUrl, document, ...(resyncIntervalMs === undefined ? {} : { resyncIntervalMs }) });
  onTestFinished(() => client.discard());
  return client;
}

const names = ({ provider }: Client): readonly string[] =>
  [...provider.awareness.getStates().values()].flatMap(({ name }) => (typeof name === 'string' ? [name] : [])).toSorted();

const everyoneSees = (clients: readonly Client[], expected: readonly string[]): Promise<unknown> =>
  Promise.all(clients.map((client) => client.until(`sees ${expected.join()}`, () => names(client).join() === expected.join())));

test('YW42: people see who is there, also who came before them, and after a crash; who leaves is gone at once', async () => {
  const server = await start();
  const [ada, bob] = [open(server, 'plan'), open(server, 'plan')];
  ada.provider.awareness.setLocalStateField('name', 'ada');
  bob.provider.awareness.setLocalStateField('name', 'bob');
  await everyoneSees([ada, bob], ['ada', 'bob']);
  const eve = open(server, 'plan');
  eve.provider.awareness.setLocalStateField('name', 'eve');
  await everyoneSees([ada, bob, eve], ['ada', 'bob', 'eve']);

  await server.kill();
  await Promise.all([ada, bob, eve].map((client) => client.until('alone', () => names(client).length === 1)));
  await server.start();
  await Promise.all([ada, bob, eve].map((client) => client.synced()));
  // A client takes nothing from others whose clock it knows already: it sees them again when they move, or after 15 s.
  for (const { provider } of [ada, bob, eve]) provider.awareness.setLocalStateField('cursor', 1);
  await everyoneSees([ada, bob, eve], ['ada', 'bob', 'eve']);
  eve.provider.disconnect();
  await everyoneSees([ada, bob], ['ada', 'bob']);
  const other = open(server, 'other');
  await other.synced();
  expect(names(other)).toEqual([]);
});

/** Every kind of shared type, nested, formatted and deleted from. */
function build(doc: Y.Doc, who: string): void {
  const body = doc.getXmlFragment('body');
  const quote = new Y.XmlElement('blockquote');
  const paragraph = new Y.XmlElement('paragraph');
  const words = new Y.XmlText();
  doc.transact(() => {
    body.push([quote]);
    quote.insert(0, [paragraph]);
    quote.setAttribute('by', who);
    paragraph.insert(0, [words]);
    words.insert(0, `${who} says 🖋️ hello`, { bold: true });
    words.format(0, 3, { bold: null, italic: {} });
    words.insertEmbed(4, { image: `${who}.png` });
  });
  const settings = doc.getMap<unknown>('settings');
  settings.set('by', who);
  settings.set(who, new Y.Array());
  (settings.get(who) as Y.Array<unknown>).push([1, 'two', null, true, new Uint8Array([3]), { four: [4.5] }]);
  (settings.get(who) as Y.Array<unknown>).delete(1);
  settings.set(`page of ${who}`, new Y.Doc({ guid: `page-${who}` }));
  settings.delete('by');
  const text = doc.getText('text');
  const undo = new Y.UndoManager(text);
  text.insert(0, `${who} typed this. `);
  undo.stopCapturing();
  text.delete(0, 3);
  undo.undo();
  undo.destroy();
}

const contentsOf = ({ doc }: Client): unknown => ({
  body: doc.getXmlFragment('body').toJSON(),
  words: doc
    .getXmlFragment('body')
    .toArray()
    .map((quote) =>
      ((quote as Y.XmlElement).get(0) as Y.XmlElement).toArray().map((words) => (words as Y.XmlText).toDelta() as unknown),
    ),
  settings: [...doc.getMap('settings').keys()].toSorted(),
  lists: ['ada', 'bob'].map((who) => (doc.getMap('settings').get(who) as Y.Array<unknown> | undefined)?.toJSON()),
  pages: [...doc.getSubdocGuids()].toSorted(),
  text: doc.getText('text').toDelta() as unknown,
});

test('YW43: every shared type comes to everyone as it was made, and to a newcomer after a crash', async () => {
  const server = await start();
  const [ada, bob] = [open(server, 'plan'), open(server, 'plan')];
  await Promise.all([ada.synced(), bob.synced()]);
  build(ada.doc, 'ada');
  build(bob.doc, 'bob');
  await Promise.all([ada.saved(), bob.saved()]);
  await Promise.all(
    [ada, bob].map((client) =>
      client.until('both', () => client.doc.getSubdocGuids().size === 2 && client.doc.getXmlFragment('body').length === 2),
    ),
  );
  await ada.until('the same', () => JSON.stringify(contentsOf(ada)) === JSON.stringify(contentsOf(bob)));
  await server.kill();
  await server.start();
  const fresh = open(server, 'plan');
  await fresh.synced();
  expect(contentsOf(fresh)).toEqual(contentsOf(ada));
  expect(contentsOf(fresh)).toMatchObject({
    settings: ['ada', 'bob', 'page of ada', 'page of bob'],
    pages: ['page-ada', 'page-bob'],
  });
  expect(fresh.text.toJSON()).toContain('ada typed this. ');
  expect(fresh.text.toJSON()).toContain('bob typed this. ');
});

test('YW44: a client that asks for the state again and again is answered each time, and is told "saved" as before', async () => {
  const server = await start();
  const ada = open(server, 'plan', 20);
  await ada.synced();
  let answers = 0;
  const { ws } = ada.provider;
  ws?.addEventListener('message', ({ data }) => {
    const [type, step] = new Uint8Array(data as ArrayBuffer);
    if (type === 0 && step === 1) answers++;
  });
  for (let edit = 0; answers < 5; edit++) {
    ada.text.insert(0, `${edit} `);
    await ada.saved();
  }
  expect(ada.provider.ws).toBe(ws);
  expect(ada.closeCodes).toEqual([]);
});

test('YW45: a server that is frozen for a while goes on where it was', async () => {
  const server = await start();
  const [ada, bob] = [open(server, 'plan'), open(server, 'plan')];
  await Promise.all([ada.synced(), bob.synced()]);
  process.kill(server.process().pid, 'SIGSTOP');
  for (let edit = 0; edit < 500; edit++) {
    ada.text.insert(0, `ada ${edit}. `);
    bob.text.insert(bob.text.length, `bob ${edit}. `);
  }
  process.kill(server.process().pid, 'SIGCONT');
  await Promise.all([ada.saved(), bob.saved()]);
  await ada.until('all of both', () => ada.text.toJSON() === bob.text.toJSON());
  expect([...ada.closeCodes, ...bob.closeCodes]).toEqual([]);
  expect(ada.text.toJSON().match(/(?:ada|bob) \d+\. /gu)).toHaveLength(1000);
});
