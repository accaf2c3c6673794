import type { Page, WebSocketRoute } from 'playwright-core';
import { describe, expect, onTestFinished, test } from 'vitest';
import { makeDataDir, startServer, type Server } from '#test/harness/server.ts';
import { useSite } from './site.ts';
import { newDocument, openWriter, patient } from './writer.ts';

const site = useSite();

const count = (text: string, letter: string): number => text.split(letter).length - 1;
const isAcknowledgement = (message: string | Buffer): boolean => message[0] === 8;

/** Stands between a page and the server: holds acknowledgements back while told to, and can deny and close connections in the server's name. */
function middleman(): {
  prepare: (page: Page) => Promise<void>;
  hold: () => void;
  release: () => void;
  deny: (reason: string) => void;
  close: (code: number, reason: string) => void;
} {
  let route: WebSocketRoute | undefined;
  let held: (string | Buffer)[] | undefined;
  return {
    prepare: (page) =>
      page.routeWebSocket(/\/ws\//u, (opened) => {
        route = opened;
        opened.connectToServer().onMessage((message) => {
          if (held !== undefined && isAcknowledgement(message)) held.push(message);
          else opened.send(message);
        });
      }),
    hold: () => (held = []),
    release: () => {
      held?.forEach((message) => route?.send(message));
      held = undefined;
    },
    deny: (reason) => route?.send(Buffer.from([2, 0, reason.length, ...Buffer.from(reason)])),
    close: (code, reason) => void route?.close({ code, reason }),
  };
}

describe('PG1: "Saved" is the server\'s word', () => {
  test('it does not show while an acknowledgement is out, though everyone else has the text', async () => {
    const path = newDocument('held');
    const between = middleman();
    const { url } = site.server();
    const ada = await openWriter(site.browser(), url, path, { prepare: between.prepare });
    const ben = await openWriter(site.browser(), url, path);
    await ada.seesStatus('Saved');
    between.hold();
    await ada.type('not yet');
    await ben.seesText('not yet');
    await ben.type('!');
    await ada.seesText('not yet!');
    await ben.seesStatus('Saved');
    expect((await ada.statuses()).slice(-2)).toEqual(['Saved', 'Saving…']);
    between.release();
    await ada.seesStatus('Saved');
    expect(ada.complaints).toEqual([]);
  });

  test('a first visit is not called saved before the server has said so', async () => {
    const between = middleman();
    between.hold();
    const ada = await openWriter(site.browser(), site.server().url, newDocument('first'), { prepare: between.prepare });
    await ada.seesStatus('Saving…');
    expect(await ada.statuses()).not.toContain('Saved');
    between.release();
    await ada.seesStatus('Saved');
  });
});

describe('PG5: what the server refuses is explained', () => {
  test.each([
    [
      4401,
      'the token has expired',
      /not allowed to open this document \(the token has expired\)/u,
      'Closed: kept in this browser',
    ],
    [1013, 'the journal is away', /can’t take more at the moment \(the journal is away\)/u, 'Saved'],
  ])('%i', async (code, reason, words, status) => {
    const between = middleman();
    const ada = await openWriter(site.browser(), site.server().url, newDocument('refused'), { prepare: between.prepare });
    await ada.type('kept');
    await ada.seesStatus('Saved');
    between.hold();
    between.close(code, reason);
    await ada.page.getByRole('alert').getByText(words).waitFor();
    between.release();
    await ada.seesStatus(status);
    if (code < 4000) await ada.page.getByRole('alert').waitFor({ state: 'hidden' });
    expect(await ada.text()).toBe('kept');
  });

  test('a denial shows before the connection is closed', async () => {
    const between = middleman();
    const ada = await openWriter(site.browser(), site.server().url, newDocument('denied'), { prepare: between.prepare });
    await ada.seesStatus('Saved');
    between.deny('permission denied');
    await ada.page.getByRole('alert').getByText('You are not allowed to open this document (permission denied).').waitFor();
    expect(ada.complaints).toEqual([]);
  });

  test('a change that is too large: nothing is called saved, nothing is lost, and undoing it and reloading is the way out', async () => {
    const server = await startServer({ settings: { FRAME_BYTES_MAX: 4096 } });
    onTestFinished(() => server.kill());
    const ada = await openWriter(site.browser(), server.url, newDocument('large'));
    await ada.type('small ');
    await ada.seesStatus('Saved');
    await ada.page.reload();
    await ada.seesText('small ');
    await ada.type('');
    await ada.page.keyboard.insertText('x'.repeat(5000));
    await ada.page
      .getByRole('alert')
      .getByText(/too large for the server \(the message has \d+ bytes/u)
      .waitFor();
    await ada.seesStatus('Closed: kept in this browser');
    expect((await ada.statuses()).lastIndexOf('Saved')).toBeLessThan((await ada.statuses()).lastIndexOf('Saving…'));
    await ada.page.keyboard.press('Control+z');
    await ada.seesText('small ');
    await ada.page.reload();
    await ada.seesStatus('Saved');
    await ada.type('and on');
    await ada.seesText('small and on');
    await ada.seesStatus('Saved');
    expect(await ada.page.getByRole('alert').isVisible()).toBe(false);
  });
});

describe('PG11, PG12: the server goes away and comes back', () => {
  const restartable = async (): Promise<{ server: Server; restart: () => Promise<Server> }> => {
    const data = await makeDataDir();
    const server = await startServer({ dataDir: data.path });
    let last = server;
    onTestFinished(async () => {
      await last.kill();
      await data.remove();
    });
    return { server, restart: async () => (last = await startServer({ dataDir: data.path, port: server.port })) };
  };

  test('killed while two are typing: everything that was typed is there in the end, on both sides, and saved', async () => {
    const { server, restart } = await restartable();
    const path = newDocument('killed');
    const ada = await openWriter(site.browser(), server.url, path);
    const ben = await openWriter(site.browser(), server.url, path);
    await Promise.all([ada.seesStatus('Saved'), ben.seesStatus('Saved')]);
    const typing = Promise.all([ada.type('a'.repeat(200)), ben.type('b'.repeat(200))]);
    await expect.poll(async () => count(await ada.text(), 'b'), patient).toBeGreaterThan(20);
    await server.kill('SIGKILL');
    await ada.seesStatus('Offline: kept in this browser');
    await typing;
    await restart();
    await Promise.all([ada.seesStatus('Saved'), ben.seesStatus('Saved')]);
    await expect.poll(async () => count(await ada.text(), 'b'), patient).toBe(200);
    const text = await ada.text();
    expect(count(text, 'a')).toBe(200);
    await ben.seesText(text);
    const fresh = await openWriter(site.browser(), server.url, path);
    await fresh.seesText(text);
  });

  test('PG10: people who only look on see each other again, as soon as the server is back', async () => {
    const { server, restart } = await restartable();
    const path = newDocument('back');
    const ada = await openWriter(site.browser(), server.url, path, { name: 'Ada' });
    const ben = await openWriter(site.browser(), server.url, path, { name: 'Ben' });
    await Promise.all([ada.seesStatus('Saved'), ben.seesStatus('Saved')]);
    await expect.poll(ada.others, patient).toEqual(['Ben']);
    await server.kill('SIGKILL');
    await expect.poll(ada.others, patient).toEqual([]);
    await restart();
    await Promise.all([ada.seesStatus('Saved'), ben.seesStatus('Saved')]);
    // Sooner than awareness renews itself, which is after 15 s.
    await expect.poll(ada.others, { timeout: 8_000 }).toEqual(['Ben']);
    await expect.poll(ben.others, { timeout: 8_000 }).toEqual(['Ada']);
  });

  test('PG10: who was away for a moment sees those who were not, at once', async () => {
    const path = newDocument('moment');
    const between = middleman();
    const { url } = site.server();
    const ada = await openWriter(site.browser(), url, path, { name: 'Ada', prepare: between.prepare });
    const ben = await openWriter(site.browser(), url, path, { name: 'Ben' });
    await ben.type('still here');
    await ada.seesText('still here');
    await expect.poll(ada.others, patient).toEqual(['Ben']);
    between.close(1012, 'the network');
    await expect.poll(ada.statuses, patient).toContain('Offline: kept in this browser');
    await ada.seesStatus('Saved');
    // Sooner than Ben renews himself.
    await expect.poll(ada.others, { timeout: 8_000 }).toEqual(['Ben']);
    await expect.poll(ben.others, { timeout: 8_000 }).toEqual(['Ada']);
  });

  test('PG4: a browser that keeps nothing says so, and asks before the page is closed', async () => {
    const { server, restart } = await restartable();
    const storageIsOff = `Object.defineProperty(globalThis, 'indexedDB', { value: { open: () => { throw new Error('off'); } } });`;
    const prepare = (page: Page): Promise<unknown> => page.addInitScript({ content: storageIsOff });
    const ada = await openWriter(site.browser(), server.url, newDocument('unkept'), { prepare });
    await ada.seesStatus('Saved');
    await server.kill('SIGKILL');
    await ada.seesStatus('Offline: don’t close this page');
    await ada.type('in this page alone');
    const question = ada.page.waitForEvent('dialog');
    await ada.page.close({ runBeforeUnload: true });
    await (await question).dismiss();
    await restart();
    await ada.seesStatus('Saved');
    expect(await ada.text()).toBe('in this page alone');
  });

  test('PG4: so does a browser whose disk is full', async () => {
    const { server } = await restartable();
    // What a full disk looks like from inside: the write is taken, and its transaction aborted later.
    const fillableDisk = `
      const add = IDBObjectStore.prototype.add;
      IDBObjectStore.prototype.add = function (...args) {
        if (globalThis.diskIsFull) queueMicrotask(() => this.transaction.abort());
        return add.apply(this, args);
      };`;
    const prepare = (page: Page): Promise<unknown> => page.addInitScript({ content: fillableDisk });
    const ada = await openWriter(site.browser(), server.url, newDocument('full'), { prepare });
    await ada.type('fits ');
    await ada.seesStatus('Saved');
    await server.kill('SIGKILL');
    await ada.seesStatus('Offline: kept in this browser');
    await ada.page.evaluate(() => Object.assign(globalThis, { diskIsFull: true }));
    await ada.type('does not fit');
    await ada.seesStatus('Offline: don’t close this page');
    expect(await ada.text()).toBe('fits does not fit');
  });

  test('what is typed without a server survives a reload without one, and merges on return', async () => {
    const { server, restart } = await restartable();
    const path = newDocument('offline');
    const ada = await openWriter(site.browser(), server.url, path);
    const ben = await openWriter(site.browser(), server.url, path);
    await ada.type('online ');
    await ben.seesText('online ');
    await Promise.all([ada.seesStatus('Saved'), pageIsKept(ada.page)]);
    await server.kill('SIGKILL');
    await Promise.all([ada.seesStatus('Offline: kept in this browser'), ben.seesStatus('Offline: kept in this browser')]);
    await ada.type('offline ');
    await ben.type('elsewhere ');
    await ada.page.reload();
    await ada.seesText('online offline ');
    await ada.seesStatus('Offline: kept in this browser');
    expect(await ada.statuses()).not.toContain('Saved');
    await ada.type('again ');
    await restart();
    await Promise.all([ada.seesStatus('Saved'), ben.seesStatus('Saved')]);
    await expect.poll(ada.text, patient).toMatch(/^online .*elsewhere/u);
    const text = await ada.text();
    expect(text.split(' ').toSorted()).toEqual(['', 'again', 'elsewhere', 'offline', 'online']);
    await ben.seesText(text);
  });
});

/** Resolves when the page itself is there without a network. */
async function pageIsKept(page: Page): Promise<void> {
  type WithServiceWorker = { readonly navigator: { readonly serviceWorker: { readonly ready: Promise<unknown> } } };
  await page.evaluate(async () => void (await (globalThis as unknown as WithServiceWorker).navigator.serviceWorker.ready));
}
