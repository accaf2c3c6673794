import { describe, expect, test } from 'vitest';
import { useSite } from './site.ts';
import { newDocument, openWriter, type Writer, type WriterOptions } from './writer.ts';

const site = useSite();
const open = (path: string, options?: WriterOptions): Promise<Writer> =>
  openWriter(site.browser(), site.server().url, path, options);

describe('PG2: a document has the name that its address says', () => {
  test.each(['team-7/notes', '100% & more? #1', '🎈 日本語/メモ'])('%s', async (name) => {
    const unique = `${name} ${crypto.randomUUID()}`;
    const path = `/?document=${encodeURIComponent(unique)}`;
    const [ada, ben] = await Promise.all([open(path), open(path)]);
    await ada.type('here');
    await ben.seesText('here');
    await ada.seesStatus('Saved');
    expect(await ada.page.title()).toBe(`${unique} · Inkstream`);
    expect(await ada.page.getByRole('heading', { level: 1 }).innerText()).toBe(unique);
    expect(new URL(ada.page.url()).searchParams.get('document')).toBe(unique);
  });

  test('the bare address is a document too, and says which', async () => {
    const ada = await open('/');
    await ada.seesStatus('Saved');
    expect(ada.page.url()).toBe(`${site.server().url}/?document=welcome`);
  });

  test('"/" in a name makes another document, not another part of one', async () => {
    const name = crypto.randomUUID();
    const [whole, part] = await Promise.all([open(`/?document=${name}`), open(`/?document=${name}/part`)]);
    await whole.type('whole');
    await whole.seesStatus('Saved');
    await part.type('part');
    await part.seesStatus('Saved');
    expect([await whole.text(), await part.text()]).toEqual(['whole', 'part']);
  });
});

describe('PG3: a name that can not be is refused in words', () => {
  test.each([
    ['a name that is too long', `/?document=${'x'.repeat(513)}`, /too long: it has 513 bytes, and at most 512/u],
    ['a link that is damaged', '/?document=%FF', /damaged/u],
    ['a control character', '/?document=a%00b', /control character/u],
  ])('%s', async (_case, path, words) => {
    const ada = await open(path);
    await ada.page.getByRole('alert').getByText(words).waitFor();
    expect(await ada.page.getByRole('textbox', { name: 'Text of the document' }).count()).toBe(0);
    expect(ada.complaints).toEqual([]);
  });
});

describe('PG15: a new document is made by naming it, and passed on by its link', () => {
  test('with a suggested name, with a name of one’s own, and not with a name that can not be', async () => {
    const ada = await open(newDocument('first'));
    await ada.seesStatus('Saved');
    const openDialog = ada.page.getByRole('button', { name: 'New document' });
    await openDialog.click();
    const dialog = ada.page.getByRole('dialog', { name: 'New document' });
    const field = dialog.getByRole('textbox', { name: 'Name' });
    expect(await field.inputValue()).toMatch(/^[a-z]+-[a-z]+-[a-z0-9]{6}$/u);

    const before = ada.page.url();
    await field.fill('ü'.repeat(300));
    await dialog.getByText(/too long: it has 600 bytes/u).waitFor();
    await field.press('Enter');
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await dialog.waitFor({ state: 'hidden' });
    expect(ada.page.url()).toBe(before);

    await openDialog.click();
    const name = `own/${crypto.randomUUID()}`;
    await field.fill(name);
    await Promise.all([ada.page.waitForURL((url) => url.searchParams.get('document') === name), field.press('Enter')]);
    await ada.seesStatus('Saved');
    expect(await ada.page.getByRole('heading', { level: 1 }).innerText()).toBe(name);
    expect(ada.complaints).toEqual([]);
  });

  test('the link leads another person to the same text', async () => {
    const ada = await open(newDocument('link to/this'), { permissions: ['clipboard-read', 'clipboard-write'] });
    await ada.type('shared');
    await ada.page.getByRole('button', { name: 'Copy link' }).click();
    await ada.page.getByRole('button', { name: 'Copied' }).waitFor();
    await ada.page.getByRole('button', { name: 'New document' }).click();
    const field = ada.page.getByRole('textbox', { name: 'Name', exact: true });
    await field.fill('');
    await ada.page.keyboard.press('Control+v');
    const link = await field.inputValue();
    expect(link).toBe(ada.page.url());
    const ben = await open(link.slice(site.server().url.length));
    await ben.seesText('shared');
  });
});
