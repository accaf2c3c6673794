/** Shared types in each other, as editors that keep their own structure in Yjs nest them (Lexical, task lists, boards). */

import * as Y from 'yjs';
import type { Random } from '../rooms/random.ts';

/** One more shared type somewhere in a document with the roots of `openRoots`. A text of which nothing but such is left looks like a list, unless it is named. */
export function nest(document: Y.Doc, random: Random, where: 'anywhere' | 'outside texts'): void {
  const type = sharedType(random);
  const text = document.getText('text');
  const key = `n${random.integer(3)}`;
  const at = random.integer(4);
  if (at === 0) document.getMap('map').set(key, type);
  else if (at === 1 && !isXml(type)) document.getArray('array').insert(0, [type]);
  else if (at === 2 && where === 'anywhere')
    text.insertEmbed(random.chance(0.5) ? 0 : text.length, type, random.chance(0.3) ? { bold: true } : {});
  else nestDeeper(document, key, type);
  if (type instanceof Y.XmlText && random.chance(0.5)) type.setAttribute('__type', random.pick(['paragraph', 'quote']));
}

/** Yjs does not say what a root is, so a list with XML in it is taken for XML. */
const isXml = (type: Y.AbstractType<unknown>): boolean => type instanceof Y.XmlFragment || type instanceof Y.XmlText;

function nestDeeper(document: Y.Doc, key: string, type: Y.AbstractType<unknown>): void {
  for (const value of document.getMap('map').values()) if (value instanceof Y.Map) return void value.set(key, type);
  for (const value of document.getArray('array')) if (value instanceof Y.Array) return value.insert(0, [type]);
  document.getMap('map').set(key, type);
}

function sharedType(random: Random): Y.AbstractType<unknown> {
  switch (random.integer(6)) {
    case 0:
      return new Y.Map<unknown>([
        ['title', new Y.Text('title')],
        ['done', false],
      ]) as Y.AbstractType<unknown>;
    case 1:
      return Y.Array.from<object | number | string>([1, new Y.Map([['n', 1]]), 'x']) as Y.AbstractType<unknown>;
    case 2:
      return formatted(new Y.Text()) as Y.AbstractType<unknown>;
    case 3: {
      const element = new Y.XmlElement('p');
      element.insert(0, [formatted(new Y.XmlText()) as Y.XmlText, new Y.XmlElement('br')]);
      return element as Y.AbstractType<unknown>;
    }
    case 4:
      return new Y.XmlText('a line of text') as Y.AbstractType<unknown>;
    default: {
      const fragment = new Y.XmlFragment();
      fragment.insert(0, [new Y.XmlText('in a fragment')]);
      return fragment as Y.AbstractType<unknown>;
    }
  }
}

function formatted(text: Y.Text): Y.Text {
  text.applyDelta([{ insert: 'some ' }, { insert: 'bold', attributes: { bold: true } }, { insert: ' text' }]);
  return text;
}
