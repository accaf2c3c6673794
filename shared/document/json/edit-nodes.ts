/**
 * Editing XML: nodes that are equal stay, elements of one name and texts are edited where they are, the rest is replaced.
 *
 * An empty text shows in no value, so nobody can have removed it. And where all that an element has is a text, and that is removed, the text is emptied and
 * stays, as y-prosemirror does it: what others type into it meanwhile is kept.
 */

import type * as Y from 'yjs';
import { align } from './align.ts';
import { insertAll } from './contents.ts';
import { planEntries } from './edit-entries.ts';
import { planRuns } from './edit-text.ts';
import { formatsIn, noteOverlapping } from './marks.ts';
import type { Hunk } from './myers.ts';
import { makeNode } from './make.ts';
import { equalNodes, nodeText, readNodes, type XmlElementNode, type XmlNode, type XmlTextNode } from './nodes.ts';
import { inside, type Place } from './place.ts';
import { refuse, type Planning } from './planning.ts';

/** Plans that the children of `parent` are `value`. `place` is that of the content. */
export function planChildren(parent: Y.XmlFragment, value: readonly XmlNode[], place: Place, planning: Planning): void {
  const base = readNodes(parent, place, planning.reading);
  noteMarks(base, planning.overlapping);
  planNodes(parent, base, value, place, planning);
}

function noteMarks(nodes: readonly XmlNode[], overlapping: Set<string>): void {
  for (const node of nodes) {
    if (node.kind === 'text') noteOverlapping(node.runs, overlapping);
    else if (node.kind === 'element') noteMarks(node.children, overlapping);
  }
}

function planNodes(
  parent: Y.XmlFragment,
  base: readonly XmlNode[],
  value: readonly XmlNode[],
  place: Place,
  planning: Planning,
): void {
  const [only] = base;
  if (value.length === 0 && base.length === 1 && only?.kind === 'text') return planText(only, [], place, planning);
  const texts = new Map<XmlNode | undefined, string>();
  const textOf = (node: XmlNode | undefined): string => {
    const known = texts.get(node);
    if (known !== undefined || node === undefined) return known ?? '';
    const text = nodeText(node);
    texts.set(node, text);
    return text;
  };
  const { edited, replaced } = align(
    {
      baseLength: base.length,
      valueLength: value.length,
      baseText: (i) => textOf(base[i]),
      valueText: (j) => textOf(value[j]),
      equal: (i, j) => isEqual(base[i], value[j]),
      editable: (i, j) => isEditable(base[i], value[j]),
    },
    planning.budget,
  );
  for (const [i, j] of edited) planNode(base[i], value[j], inside(place, j), planning);
  const starts = startsOf(base);
  for (const hunk of replaced.toReversed()) planReplaced(parent, base, value, hunk, starts, place, planning);
}

const isEqual = (old: XmlNode | undefined, wanted: XmlNode | undefined): boolean =>
  old !== undefined && wanted !== undefined && equalNodes(old, wanted);

const isEditable = (old: XmlNode | undefined, wanted: XmlNode | undefined): boolean =>
  (old?.kind === 'text' && wanted?.kind === 'text') ||
  (old?.kind === 'element' && wanted?.kind === 'element' && old.name === wanted.name);

function planNode(old: XmlNode | undefined, wanted: XmlNode | undefined, place: Place, planning: Planning): void {
  if (old?.kind === 'text' && wanted?.kind === 'text') return planText(old, wanted.runs, place, planning);
  if (old?.kind === 'element' && wanted?.kind === 'element') planElement(old, wanted, place, planning);
}

/** Plans that an element which stands in something else says `wanted`. */
export function planLoneElement(old: XmlElementNode, wanted: XmlElementNode, place: Place, planning: Planning): void {
  noteMarks([old], planning.overlapping);
  planElement(old, wanted, place, planning);
}

function planElement(old: XmlElementNode, wanted: XmlElementNode, place: Place, planning: Planning): void {
  const { element } = old;
  if (element === undefined) return;
  planEntries(element, wanted.attributes, inside(place, 'attrs'), planning, 'none');
  planNodes(element, old.children, wanted.children, inside(place, 'content'), planning);
}

function planText(old: XmlTextNode, runs: XmlTextNode['runs'], place: Place, planning: Planning): void {
  if (old.strangers > 0) return refuse(planning, place, 'the text holds what belongs into no text, and can not be edited');
  planRuns(old.texts, old.runs, runs, formatsIn(old.runs, planning.overlapping), place, planning);
}

const widthOf = (node: XmlNode): number => (node.kind === 'text' ? node.texts.length : 1);

/** At which index of its parent each node begins, and where the last one ends. */
function startsOf(nodes: readonly XmlNode[]): readonly number[] {
  const starts = [0];
  let at = 0;
  for (const node of nodes) starts.push((at += widthOf(node)));
  return starts;
}

function planReplaced(
  parent: Y.XmlFragment,
  base: readonly XmlNode[],
  value: readonly XmlNode[],
  { baseFrom, baseTo, valueFrom, valueTo }: Hunk,
  starts: readonly number[],
  place: Place,
  planning: Planning,
): void {
  const made = value.slice(valueFrom, valueTo).map((node, k) => {
    return makeNode(node, inside(place, valueFrom + k), planning);
  });
  const index = starts[baseFrom] ?? 0;
  const gone: (readonly [number, number])[] = [];
  for (let i = baseTo - 1; i >= baseFrom; i--) {
    const node = base[i];
    if (node === undefined || (node.kind === 'text' && node.runs.length === 0 && node.strangers === 0)) continue;
    gone.push([starts[i] ?? 0, widthOf(node)]);
  }
  if (made.length === 0 && gone.length === 0) return;
  planning.changes.push(() => {
    for (const [at, width] of gone) parent.delete(at, width);
    insertAll(parent, index, made);
  });
}
