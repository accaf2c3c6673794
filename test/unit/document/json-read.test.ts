import { Schema } from 'prosemirror-model';
import { describe, expect, test } from 'vitest';
import { yXmlFragmentToProseMirrorRootNode } from 'y-prosemirror';
import * as Y from 'yjs';
import { editOperations } from '#shared/document/json/edit.ts';
import { depthMax } from '#shared/document/json/place.ts';
import { readDocumentJson, type DocumentJson } from '#shared/document/json/read.ts';
import type { RootKind } from '#shared/document/json/roots.ts';
import { isList, isMap, type JsonValue } from '#shared/document/json/value.ts';
import { literalOf, valueOf, written } from './json-values.ts';

type Roots = Readonly<Record<string, RootKind>>;

function stored(fill: (document: Y.Doc) => void): Uint8Array {
  const document = new Y.Doc();
  document.clientID = 1;
  document.transact(() => fill(document));
  return Y.encodeStateAsUpdate(document);
}

function read(fill: (document: Y.Doc) => void, roots: Roots = {}): DocumentJson {
  return readDocumentJson([stored(fill)], new Map(Object.entries(roots)));
}

const literal = (fill: (document: Y.Doc) => void, roots: Roots = {}): unknown => literalOf(read(fill, roots).value);

function paragraph(name: string, ...texts: readonly Y.XmlText[]): Y.XmlElement {
  const element = new Y.XmlElement(name);
  element.insert(0, [...texts]);
  return element;
}

function formatted(...runs: readonly (readonly [string, object])[]): Y.XmlText {
  const text = new Y.XmlText();
  text.applyDelta(runs.map(([insert, attributes]) => ({ insert, attributes })));
  return text;
}

/** A document with everything that there is. */
function everything(document: Y.Doc): void {
  document.getText('plain').insert(0, 'Just text.\n');
  document
    .getText('formatted')
    .applyDelta([
      { insert: 'Bold', attributes: { bold: true } },
      { insert: ' and a ' },
      { insert: 'link', attributes: { link: { href: 'https://example.org' } } },
      { insert: { image: 'cat.png' } },
    ]);
  document.getMap('map').set('numbers', [0, -0, 1.5, 2 ** 40, 2n ** 60n, NaN, -Infinity]);
  document.getMap('map').set('words', { null: null, true: true, text: 'text', undefined });
  document.getMap('map').set('bytes', new Uint8Array([1, 2, 255]));
  document.getMap('map').set(
    'shared map',
    new Y.Map<unknown>([
      ['title', new Y.Text('shared text')],
      ['done', false],
    ]),
  );
  document.getMap('map').set('shared list', Y.Array.from<object | number>([1, new Y.Map([['in a list', true]])]));
  document.getMap('map').set('shared element', paragraph('p', formatted(['text', {}])));
  document.getMap('map').set('nul\0 and 100%', 1);
  document.getMap('map').set('@inkstream', 2);
  document.getMap('map').set('subdocument', new Y.Doc({ guid: 'the-guid' }));
  document.getMap('map').set('hook', new Y.XmlHook('a-hook'));
  document.getArray('list').insert(0, [1, 'two', { three: 3 }, [4, undefined], new Uint8Array([5])]);
  const heading = paragraph('heading', formatted(['A ', {}], ['heading', { bold: {}, 'comment--AAAAAAAA': { id: 1 } }]));
  heading.setAttribute('level', 2 as unknown as string);
  document
    .getXmlFragment('xml')
    .insert(0, [heading, paragraph('horizontalRule'), paragraph('p', formatted(['two', {}]), formatted([' texts', {}]))]);
  const among = document.getText('shared in text');
  among.insert(0, 'a list: ');
  among.insertEmbed(8, Y.Array.from([1, 2]));
  const line = new Y.XmlText('a line');
  among.insertEmbed(9, line);
  line.setAttribute('__type', 'paragraph');
}

describe('a document as JSON', () => {
  test('DJ1, DJ3, DJ4, DJ5, DJ6: every form is in the golden file', async () => {
    const { value, unrepresented } = read(everything);
    const lines = unrepresented.map((line) => `// ${line}\n`).join('');
    await expect(`${written(value)}\n\n// unrepresented:\n${lines}`).toMatchFileSnapshot('./json-forms.golden');
  });

  test('DJ1: a text is a string while nothing in it is formatted, also after something was', () => {
    expect(literal((document) => document.getText('t').insert(0, 'plain'))).toEqual({ t: 'plain' });
    const fill = (document: Y.Doc): void => {
      document.getText('t').insert(0, 'bold');
      document.getText('t').format(0, 4, { bold: true });
    };
    expect(literal(fill)).toEqual({ t: [{ insert: 'bold', attributes: { bold: true } }] });
    const unformatted = (document: Y.Doc): void => {
      fill(document);
      document.getText('t').format(0, 4, { bold: null });
    };
    expect(literal(unformatted)).toEqual({ t: 'bold' });
  });

  test('DJ1: neighbours that are formatted alike are one run, however they were typed', () => {
    const fill = (document: Y.Doc): void => {
      const text = document.getText('t');
      text.insert(0, 'ac', { bold: true });
      text.insert(1, 'b', { bold: true });
      text.insert(3, 'd', { em: true });
    };
    expect(literal(fill)).toEqual({
      t: [
        { insert: 'abc', attributes: { bold: true } },
        { insert: 'd', attributes: { em: true } },
      ],
    });
  });

  test('DJ2: the kind of a root is inferred from what is in it; one with nothing in it is not there', () => {
    const fill = (document: Y.Doc): void => {
      document.getText('embed').insertEmbed(0, { image: 1 });
      document.getArray('bytes').insert(0, [new Uint8Array([1])]);
      document.getArray('maps').insert(0, [new Y.Map()]);
      document.getXmlFragment('texts').insert(0, [new Y.XmlText('x')]);
      document.getMap('empty').set('k', 1);
      document.getMap('empty').delete('k');
      document.getText('gone').insert(0, 'gone');
      document.getText('gone').delete(0, 4);
    };
    expect(literal(fill)).toEqual({
      embed: [{ insert: { image: 1 } }],
      bytes: [new Uint8Array([1])],
      maps: [{}],
      texts: { type: 'doc', content: [{ type: 'text', text: 'x' }] },
      empty: {},
    });
  });

  test('DJ2: a text in which texts have attributes of their own is a rich text', () => {
    const fill = (document: Y.Doc): void => {
      const root = document.get('root', Y.XmlText);
      const line = new Y.XmlText('hello');
      root.insertEmbed(0, line);
      line.setAttribute('__type', 'paragraph');
    };
    const line = { '@inkstream': 'xml-text', attributes: { __type: 'paragraph' }, value: 'hello' };
    expect(literal(fill)).toEqual({ root: [{ insert: line }] });
  });

  test('DJ2: roots that are named have their kind whatever is in them, also while they are empty', () => {
    const roots: Roots = { rich: 'rich-text', text: 'text', map: 'map', list: 'array', xml: 'xml' };
    expect(literal(() => undefined, roots)).toEqual({ rich: [], text: '', map: {}, list: [], xml: { type: 'doc', content: [] } });
    const plain = literal((document) => document.getText('rich').insert(0, 'plain'), { rich: 'rich-text' });
    expect(plain).toEqual({ rich: [{ insert: 'plain' }] });
  });

  test('DJ2, DJ4: a text that is named plain stays a string, and what it leaves out is said', () => {
    const { value, unrepresented } = read(
      (document) => document.getText('t').applyDelta([{ insert: 'bold', attributes: { bold: true } }, { insert: { image: 1 } }]),
      { t: 'text' },
    );
    expect(literalOf(value)).toEqual({ t: 'bold' });
    expect(unrepresented).toEqual(['t: 1 embeds: the text is named a plain one', 't: formatting: the text is named a plain one']);
  });

  test('DJ4: what is not of the kind that a root was named is said', () => {
    const { unrepresented } = read((document) => document.getText('t').insert(0, 'text'), { t: 'map' });
    expect(unrepresented).toEqual(['t: the contents of what is no map']);
    const other = read((document) => document.getMap('t').set('k', 1), { t: 'text' });
    expect(other.unrepresented).toEqual(['t: the entry "k" of what is no map']);
  });

  test('DJ4: what can not be represented is said a hundred times, then counted', () => {
    const { unrepresented } = read((document) =>
      document.getArray('list').insert(0, [Array.from({ length: 150 }, () => undefined)]),
    );
    expect(unrepresented).toHaveLength(101);
    expect(unrepresented[99]).toMatch(/^list\[0\]\[99\]: undefined/u);
    expect(unrepresented[100]).toBe('and 50 more');
  });

  test('DJ35: what is said of what can not be represented is short, however long its names are', () => {
    const { unrepresented } = read((document) => document.getMap('t').set('k'.repeat(1_000_000), 1), { t: 'text' });
    expect(unrepresented).toHaveLength(1);
    expect(unrepresented[0]).toMatch(/^t: the entry "k+…$/u);
    expect(unrepresented[0]?.length).toBeLessThan(1_100);
  });

  test('DJ4: what is nested too deeply is named, and stops nobody', () => {
    const { value, unrepresented } = read((document) => {
      let map = document.getMap('deep');
      for (let i = 0; i < 5_000; i++) map = map.set('k', new Y.Map());
    });
    let depth = 0;
    let at = value.get('deep');
    for (; isMap(at) && at.has('k'); at = at.get('k')) depth++;
    expect(depth).toBe(depthMax - 1);
    expect(literalOf(at ?? null)).toEqual({ '@inkstream': 'too-deep' });
    expect(unrepresented).toEqual([expect.stringMatching(/too deeply$/u)]);
  });

  test.each<[string, (document: Y.Doc, levels: number) => void]>([
    [
      'lists',
      (document, levels) => {
        let list = document.getArray<unknown>('deep');
        for (let i = 0; i < levels; i++) list.insert(0, [(list = new Y.Array())]);
      },
    ],
    [
      'elements',
      (document, levels) => {
        let parent: Y.XmlFragment = document.getXmlFragment('deep');
        for (let i = 0; i < levels; i++) parent.insert(0, [(parent = new Y.XmlElement('div'))]);
      },
    ],
    [
      'texts in texts',
      (document, levels) => {
        let text: Y.Text = document.getText('deep');
        text.insert(0, 'x');
        for (let i = 0; i < levels; i++) text.insertEmbed(0, (text = new Y.Text()));
      },
    ],
  ])('DJ4: no value is nested deeper than MongoDB takes it: %s', (_, fill) => {
    const { value, unrepresented } = read((document) => fill(document, 300));
    const depthOf = (inner: JsonValue): number => {
      if (!isMap(inner) && !isList(inner)) return 0;
      return 1 + Math.max(0, ...[...(isMap(inner) ? inner.values() : inner)].map(depthOf));
    };
    expect(depthOf(value)).toBeGreaterThan(80);
    expect(depthOf(value)).toBeLessThan(98);
    expect(unrepresented).toHaveLength(1);
    expect(editOperations([stored((document) => fill(document, 300))], value, { client: 7, roots: new Map() })).toEqual({
      kind: 'nothing',
    });
  });

  test('DJ5: keys are what they are', () => {
    const keys = [
      '__proto__',
      'constructor',
      'toString',
      '10',
      '9',
      '$set',
      'a.b',
      '',
      'nul\0',
      '@inkstream',
      '@inkstream:a',
      '%00',
    ];
    const { value } = read((document) => {
      for (const [i, key] of keys.entries()) document.getMap('map').set(key, i);
    });
    const map = value.get('map');
    expect(isMap(map) ? [...map.keys()] : []).toEqual([
      ...['__proto__', 'constructor', 'toString', '10', '9', '$set', 'a.b', ''],
      ...['@inkstream:nul%00', '@inkstream:@inkstream', '@inkstream:@inkstream:a', '%00'],
    ]);
  });
});

describe('XML', () => {
  const schema = new Schema({
    nodes: {
      doc: { content: 'block+' },
      paragraph: { group: 'block', content: 'inline*', attrs: { align: { default: null } } },
      image: { group: 'inline', inline: true, attrs: { src: {} } },
      text: { group: 'inline' },
    },
    marks: { bold: {}, link: { attrs: { href: {} } }, comment: { attrs: { id: {} }, excludes: '' } },
  });

  const fill = (document: Y.Doc): void => {
    const image = new Y.XmlElement('image');
    image.setAttribute('src', 'cat.png');
    const first = paragraph(
      'paragraph',
      formatted(['plain ', {}], ['bold', { bold: {} }], ['link', { link: { href: 'x' }, 'comment--AAAAAAAA': { id: 1 } }]),
    );
    first.insert(1, [image]);
    first.setAttribute('align', 'left');
    document.getXmlFragment('prosemirror').insert(0, [first, paragraph('paragraph')]);
  };

  test('DJ3: it reads as y-prosemirror reads it, and ProseMirror takes it', () => {
    const document = new Y.Doc();
    fill(document);
    const value = literal(fill) as { prosemirror: object };
    const node = schema.nodeFromJSON(value.prosemirror);
    node.check();
    const theirs = yXmlFragmentToProseMirrorRootNode(document.getXmlFragment('prosemirror'), schema);
    expect(node.toJSON()).toEqual(theirs.toJSON());
    expect(node.textContent).toBe('plain boldlink');
  });

  test('DJ3, DJ20: what is edited in it, y-prosemirror reads as it was written', () => {
    const document = new Y.Doc();
    fill(document);
    const { value } = readDocumentJson([Y.encodeStateAsUpdate(document)], new Map());
    const wanted = structuredClone(literalOf(value)) as { prosemirror: { content: { content: object[] }[] } };
    const [first] = wanted.prosemirror.content;
    first?.content.splice(
      1,
      1,
      { type: 'text', text: 'bolder', marks: [{ type: 'bold' }] },
      { type: 'image', attrs: { src: 'b' } },
    );
    wanted.prosemirror.content.push({
      content: [{ type: 'text', text: 'new' }],
      ...{ type: 'paragraph', attrs: { align: null } },
    });
    const edit = editOperations([Y.encodeStateAsUpdate(document)], valueOf(wanted), { client: 7, roots: new Map() });
    if (edit.kind === 'operations') Y.applyUpdate(document, edit.update);
    const theirs = yXmlFragmentToProseMirrorRootNode(document.getXmlFragment('prosemirror'), schema);
    expect(theirs.toJSON()).toEqual(schema.nodeFromJSON(wanted.prosemirror).toJSON());
  });

  test('DJ3: texts beside each other are one, and an empty one is none', () => {
    const { value } = read((document) => {
      document
        .getXmlFragment('x')
        .insert(0, [paragraph('p', formatted(['a', {}]), new Y.XmlText(), formatted(['b', {}], ['c', { em: {} }]))]);
    });
    expect(literalOf(value)).toEqual({
      x: {
        type: 'doc',
        content: [
          {
            type: 'p',
            content: [
              { type: 'text', text: 'ab' },
              { type: 'text', text: 'c', marks: [{ type: 'em', attrs: {} }] },
            ],
          },
        ],
      },
    });
  });

  test('DJ4: what is no node is named among the nodes', () => {
    const { value, unrepresented } = read((document) => {
      document.getXmlFragment('x').insert(0, [new Y.XmlElement('p'), new Y.XmlHook('h') as unknown as Y.XmlElement]);
      document.getXmlFragment('x').insert(2, [{ odd: 1 } as unknown as Y.XmlElement]);
    });
    const xml = value.get('x');
    const content = isMap(xml) ? xml.get('content') : undefined;
    expect(isList(content) ? content.map(literalOf) : []).toEqual([
      { type: 'p' },
      { '@inkstream': 'hook', name: 'h' },
      { '@inkstream': 'value', value: { odd: 1 } },
    ]);
    expect(unrepresented).toHaveLength(2);
  });
});
