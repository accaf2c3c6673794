import { describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { WebsocketProvider } from 'y-websocket';
import * as Y from 'yjs';
import { useSite } from './site.ts';
import { newDocument, openWriter, patient, type Writer } from './writer.ts';

const site = useSite();
const open = (path: string, name: string): Promise<Writer> => openWriter(site.browser(), site.server().url, path, { name });

const count = (text: string, letter: string): number => text.split(letter).length - 1;

describe('PG10: several people write in one document', () => {
  test('two who type at once end with the same text, all of it', async () => {
    const path = newDocument('together');
    const [ada, ben] = await Promise.all([open(path, 'Ada'), open(path, 'Ben')]);
    await Promise.all([ada.type('a'.repeat(150)), ben.type('b'.repeat(150))]);
    await Promise.all([ada.seesStatus('Saved'), ben.seesStatus('Saved')]);
    await expect.poll(async () => count(await ada.text(), 'b'), patient).toBe(150);
    const text = await ada.text();
    expect(count(text, 'a')).toBe(150);
    await ben.seesText(text);
    const late = await open(path, 'Cleo');
    await late.seesText(text);
    expect([...ada.complaints, ...ben.complaints, ...late.complaints]).toEqual([]);
  });

  test('each sees who else is here, where they are and what they have selected, until they leave', async () => {
    const path = newDocument('people');
    const [ada, ben] = await Promise.all([open(path, 'Ada'), open(path, 'Ben')]);
    await expect.poll(ada.others, patient).toEqual(['Ben']);
    await expect.poll(ben.others, patient).toEqual(['Ada']);
    await ben.type('one two');
    await ada.seesText('one two');
    const cursor = ada.page.locator('.remote-caret[data-name="Ben"]');
    await cursor.waitFor();
    await ben.page.keyboard.press('Shift+Home');
    await ada.page.locator('.remote-selection', { hasText: 'one two' }).waitFor();
    const [colours, chip] = await Promise.all([
      cursor.getAttribute('class'),
      ada.page.locator('#people .person').getAttribute('class'),
    ]);
    expect(colours?.split(' ')).toContain(chip?.split(' ')[1]);
    expect(await ada.page.locator('#own-person').getAttribute('class')).not.toContain(chip?.split(' ')[1]);

    await ben.page.close();
    await expect.poll(ada.others, patient).toEqual([]);
    await cursor.waitFor({ state: 'detached' });
    await ada.seesText('one two');
  });

  test('PG9: undo takes back what one has typed oneself, and nothing of the others', async () => {
    const path = newDocument('undo');
    const [ada, ben] = await Promise.all([open(path, 'Ada'), open(path, 'Ben')]);
    // In one go: what is typed with a pause in between is undone in two steps.
    await ada.type('');
    await ada.page.keyboard.insertText('mine ');
    await ben.seesText('mine ');
    await ben.type('yours');
    await ada.seesText('mine yours');
    await ada.page.keyboard.press('Control+z');
    await Promise.all([ada.seesText('yours'), ben.seesText('yours')]);
    await ada.page.keyboard.press('Control+Shift+Z');
    await Promise.all([ada.seesText('mine yours'), ben.seesText('mine yours')]);
    expect([...ada.complaints, ...ben.complaints]).toEqual([]);
  });

  test('PG14: a name is changed in place, seen by others at once, and remembered', async () => {
    const path = newDocument('names');
    const [ada, ben] = await Promise.all([openWriter(site.browser(), site.server().url, path), open(path, 'Ben')]);
    const field = ada.page.getByRole('textbox', { name: 'Your name' });
    expect(await field.inputValue()).toMatch(/^[A-Z][a-z]+ [A-Z][a-z]+$/u);
    await field.fill('  Ada\tLovelace ');
    await field.press('Enter');
    await expect.poll(ben.others, patient).toEqual(['Ada Lovelace']);
    await ada.page.reload();
    expect(await field.inputValue()).toBe('Ada Lovelace');
    await expect.poll(ben.others, patient).toEqual(['Ada Lovelace']);
  });

  test('PG16: line ends of other systems do not make texts drift apart', async () => {
    const path = newDocument('lines');
    const [ada, ben] = await Promise.all([open(path, 'Ada'), open(path, 'Ben')]);
    const stranger = connect(path);
    stranger.doc.getText('text').insert(0, 'one\r\ntwo\rthree\n');
    await ada.type('four');
    await ada.seesStatus('Saved');
    await expect.poll(() => stranger.doc.getText('text').toJSON(), patient).toBe('one\r\ntwo\rthree\nfour');
    await ben.type('!');
    await expect.poll(() => stranger.doc.getText('text').toJSON(), patient).toBe('one\r\ntwo\rthree\nfour!');
    stranger.provider.destroy();
  });

  test('PG6, PG8: what a hostile client says about itself harms nobody', async () => {
    const path = newDocument('strangers');
    const ada = await open(path, 'Ada');
    const stranger = connect(path);
    const sayHostile = (cursor: unknown): void =>
      stranger.provider.awareness.setLocalState({
        user: {
          name: '<img src=x onerror=alert(1)>\u202E',
          color: 'red;background:url(http://192.0.2.1/)',
          colorLight: '</style>',
        },
        cursor,
      });
    sayHostile({ anchor: { tname: 'other' }, head: { item: { client: 'x', clock: -1 } } });
    await expect.poll(ada.others, patient).toEqual(['<img src=x onerror=alert(1)>']);
    sayHostile({ anchor: { tname: 'text' }, head: { tname: 'text' } });
    await ada.page.locator('.remote-caret').waitFor();
    await ada.type('still here');
    await expect.poll(() => stranger.doc.getText('text').toJSON(), patient).toBe('still here');
    expect(ada.complaints).toEqual([]);
    stranger.provider.destroy();
  });
});

/** A client that is no page: the plain provider on the same document. */
function connect(path: string): { readonly doc: Y.Doc; readonly provider: WebsocketProvider } {
  const doc = new Y.Doc();
  const room = path.slice('/?document='.length);
  const polyfill = WebSocket as unknown as typeof globalThis.WebSocket;
  return {
    doc,
    provider: new WebsocketProvider(site.server().wsUrl, room, doc, { WebSocketPolyfill: polyfill, disableBc: true }),
  };
}
