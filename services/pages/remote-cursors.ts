/**
 * Everyone's cursor in everyone's text.
 *
 * A position in a text that others are changing is no number: it is a Yjs relative position, "after this character", which each reader turns
 * into a number for itself, anew whenever the text or the people change. What arrives was made in somebody else's browser, so it is checked before
 * Yjs sees it: a position that points nowhere is not drawn, and throws nowhere. Colours come from classes, never from styles on the wire.
 *
 * The name beside a cursor shows when the cursor moves and then fades (`style.css`): CodeMirror keeps a cursor's element while nothing about it has changed,
 * and makes it anew when it has moved, so the animation begins again by itself.
 */

import { Annotation, type Extension, type Range } from '@codemirror/state';
import {
  Decoration,
  type EditorView,
  ViewPlugin,
  WidgetType,
  type DecorationSet,
  type PluginValue,
  type ViewUpdate,
} from '@codemirror/view';
import type { Awareness } from 'y-protocols/awareness';
import * as Y from 'yjs';
import { readPosition } from './cursor-position.ts';
import { field, personOf, type Person } from './people.ts';

const presenceChanged = Annotation.define<true>();

/** Draws the others' selections, and tells the others ours while the editor has the focus. Belongs after the extension that syncs the text. */
export function remoteCursors(text: Y.Text, awareness: Awareness): Extension {
  return ViewPlugin.define((view) => new RemoteCursors(view, text, awareness), { decorations: (cursors) => cursors.decorations });
}

class RemoteCursors implements PluginValue {
  decorations: DecorationSet = Decoration.none;
  readonly #text: Y.Text;
  readonly #awareness: Awareness;
  readonly #stopListening: () => void;

  constructor(view: EditorView, text: Y.Text, awareness: Awareness) {
    this.#text = text;
    this.#awareness = awareness;
    const onChange = ({ added, updated, removed }: Record<'added' | 'updated' | 'removed', number[]>): void => {
      if ([...added, ...updated, ...removed].every((clientId) => clientId === awareness.clientID)) return;
      view.dispatch({ annotations: presenceChanged.of(true) });
    };
    awareness.on('change', onChange);
    this.#stopListening = () => awareness.off('change', onChange);
  }

  update(update: ViewUpdate): void {
    if (update.selectionSet || update.docChanged || update.focusChanged) this.#tell(update.view);
    const presence = update.transactions.some((transaction) => transaction.annotation(presenceChanged) === true);
    if (presence || update.docChanged) this.decorations = this.#draw();
  }

  destroy(): void {
    this.#stopListening();
  }

  #tell(view: EditorView): void {
    if (!view.hasFocus) return;
    const { anchor, head } = view.state.selection.main;
    const positionAt = (index: number): unknown =>
      Y.relativePositionToJSON(Y.createRelativePositionFromTypeIndex(this.#text, index));
    const cursor = { anchor: positionAt(anchor), head: positionAt(head) };
    if (JSON.stringify(cursor) === JSON.stringify(field(this.#awareness.getLocalState(), 'cursor'))) return;
    this.#awareness.setLocalStateField('cursor', cursor);
  }

  #draw(): DecorationSet {
    const ranges: Range<Decoration>[] = [];
    for (const [clientId, state] of this.#awareness.getStates()) {
      if (clientId === this.#awareness.clientID) continue;
      const cursor = field(state, 'cursor');
      const anchor = this.#indexOf(field(cursor, 'anchor'));
      const head = this.#indexOf(field(cursor, 'head'));
      if (anchor === undefined || head === undefined) continue;
      const person = personOf(clientId, state);
      const [from, to] = [Math.min(anchor, head), Math.max(anchor, head)];
      if (from < to) ranges.push(Decoration.mark({ class: `remote-selection person-${person.colour}` }).range(from, to));
      const caret = new Caret(person, JSON.stringify(cursor));
      ranges.push(Decoration.widget({ widget: caret, side: head > anchor ? -1 : 1 }).range(head));
    }
    return Decoration.set(ranges, true);
  }

  /** Where a position of unknown origin is in our text now; undefined where it is nowhere in it. */
  #indexOf(position: unknown): number | undefined {
    const relative = readPosition(position, Y.findRootTypeKey(this.#text));
    const doc = this.#text.doc;
    if (relative === undefined || doc === null) return undefined;
    const absolute = Y.createAbsolutePositionFromRelativePosition(relative, doc);
    return absolute?.type === this.#text ? absolute.index : undefined;
  }
}

class Caret extends WidgetType {
  readonly #person: Person;
  readonly #cursor: string;

  constructor(person: Person, cursor: string) {
    super();
    this.#person = person;
    this.#cursor = cursor;
  }

  override eq(other: Caret): boolean {
    const same = this.#person.name === other.#person.name && this.#person.colour === other.#person.colour;
    return same && this.#cursor === other.#cursor;
  }

  override toDOM(): HTMLElement {
    const caret = document.createElement('span');
    caret.className = `remote-caret person-${this.#person.colour}`;
    caret.ariaHidden = 'true';
    // The name is drawn from here by `style.css`: it is no text of the document, to be copied or searched.
    caret.dataset['name'] = this.#person.name;
    // A word joiner: it gives the caret the height of the line, and no line breaks at it.
    caret.textContent = '\u2060';
    return caret;
  }
}
