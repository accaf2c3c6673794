/** Editing a shared type, whichever it is, in its place. */

import * as Y from 'yjs';
import { asWritten } from './delta.ts';
import { planEntries } from './edit-entries.ts';
import { planList } from './edit-list.ts';
import { planChildren, planLoneElement } from './edit-nodes.ts';
import { planRuns, planString } from './edit-text.ts';
import type { SharedType } from './items.ts';
import { nameOf } from './names.ts';
import { parseElement, parseFragment, readElement } from './nodes.ts';
import { inside, rootPlace, type Place } from './place.ts';
import { refuse, type Planning } from './planning.ts';
import { isUnformatted, parseRuns, readRuns } from './runs.ts';
import { isList, isMap, type JsonValue } from './value.ts';

/** Whether it can be edited to say `value`; else it is replaced. */
export function isEditable(type: SharedType, value: JsonValue): boolean {
  if (type instanceof Y.XmlHook || nameOf(value) !== undefined) return false;
  if (type instanceof Y.Map) return isMap(value);
  if (type instanceof Y.Array) return isList(value);
  if (type instanceof Y.Text)
    return typeof value === 'string' || (isList(value) && value.length > 0 && !('wrong' in parseRuns(value)));
  if (!isMap(value)) return false;
  if (type instanceof Y.XmlElement) return value.get('type') === type.nodeName && !('wrong' in parseElement(value, somewhere));
  return value.get('type') === 'doc' && !('wrong' in parseFragment(value, somewhere));
}

const somewhere = rootPlace('');

/** Plans that `type` says `value`. Where it can't, it is refused. */
export function planShared(type: SharedType, value: JsonValue, place: Place, planning: Planning): void {
  if (type instanceof Y.Text) return planText(type, 'rich', value, place, planning);
  if (type instanceof Y.Array && isList(value)) return planList(type, value, place, planning);
  if (!isMap(value) || nameOf(value) !== undefined) return refuse(planning, place, 'no such value can be put there');
  if (type instanceof Y.Map) return planEntries(type, value, place, planning, 'value');
  if (type instanceof Y.XmlElement) {
    const wanted = parseElement(value, place);
    if ('wrong' in wanted) return refuse(planning, wanted.place, wanted.wrong);
    return planLoneElement(readElement(type as Y.XmlElement, place, planning.reading), wanted, place, planning);
  }
  const nodes = parseFragment(value, place);
  if ('wrong' in nodes) return refuse(planning, nodes.place, nodes.wrong);
  if (type instanceof Y.XmlFragment) planChildren(type, nodes, inside(place, 'content'), planning);
}

/** Plans that `text` is a string (then its formats stay where it has some and is named a plain text), or runs. */
export function planText(text: Y.Text, as: 'plain' | 'rich', value: JsonValue, place: Place, planning: Planning): void {
  const { runs, strangers } = readRuns(text, place, planning.reading);
  const wanted = parseRuns(value);
  if ('wrong' in wanted) return refuse(planning, wanted.at < 0 ? place : inside(place, wanted.at), wanted.wrong);
  const before = planning.changes.length;
  if (typeof value === 'string' && (as === 'plain' || isUnformatted(runs))) planString(text, runs, value, planning);
  else planRuns([text], runs, wanted, asWritten, place, planning);
  if (strangers > 0 && planning.changes.length > before)
    refuse(planning, place, 'it holds what belongs into no text, and can not be edited');
}
