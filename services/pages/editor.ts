/**
 * The text field: CodeMirror on a Yjs text.
 *
 * Line ends are the one trap. CodeMirror takes CR LF as one break while Yjs counts two characters, and from there on every position is off by one and
 * the texts drift apart. So lines break at LF alone, what another program wrote stays as it is, and what is pasted here is brought to LF.
 */

import { defaultKeymap } from '@codemirror/commands';
import { EditorState } from '@codemirror/state';
import { EditorView, keymap, placeholder } from '@codemirror/view';
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next';
import type { Awareness } from 'y-protocols/awareness';
import * as Y from 'yjs';
import { remoteCursors } from './remote-cursors.ts';

/** How much of the screen's top the page's bar may cover, in pixels: the cursor is not scrolled behind it. */
const barHeight = 80;

/** Shows and edits `text` inside `parent`. Undo takes back this person's own edits alone. */
export function mountEditor(parent: HTMLElement, text: Y.Text, awareness: Awareness): EditorView {
  const undoManager = new Y.UndoManager(text);
  const extensions = [
    EditorState.lineSeparator.of('\n'),
    EditorView.clipboardInputFilter.of((pasted) => pasted.replace(/\r\n?/gu, '\n')),
    EditorView.lineWrapping,
    EditorView.scrollMargins.of(() => ({ top: barHeight, bottom: barHeight })),
    EditorView.contentAttributes.of({ 'aria-label': 'Text of the document', spellcheck: 'true', autocapitalize: 'sentences' }),
    placeholder('Start typing. Open this page in a second window to see both sides.'),
    yCollab(text, null, { undoManager }),
    remoteCursors(text, awareness),
    keymap.of([...yUndoManagerKeymap, ...defaultKeymap]),
  ];
  return new EditorView({ parent, state: EditorState.create({ doc: text.toJSON(), extensions }) });
}
