/**
 * Room in a mirror.
 *
 * MongoDB stores at most 16 MB as one document. What a mirror holds of ours is bounded so that it fits, but a program may have fields of its own beside it, of any size, and then writing fails, however
 * often it is tried. So it is reckoned up before anything is written, and less is written instead: first go the values that were put aside, then the document's own, which the mirror says.
 */

import type { AppliedUpdate, Bookkeeping, RefusedEdit, Remarks, StoredValue, ValueForm } from '#shared/store/mirrors.ts';
import type { ShownValue } from './work.ts';

/** More than the bookkeeping has without lists and intent, and an entry of a list beside what it is about. */
const bookkeepingBytes = 4 * 1024;
const entryBytes = 128;

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);
const bytesOfTexts = (texts: readonly string[]): number => sum(texts.map((text) => Buffer.byteLength(text) + entryBytes));

/** At least what value and `inkstream` have together as they are stored, in bytes. */
export function bytesOfMirror(
  value: StoredValue,
  { applied, intent, refused, unrepresented }: Pick<Bookkeeping, 'applied' | 'intent'> & Remarks,
): number {
  return sum([
    bookkeepingBytes,
    value.bytes.byteLength,
    intent?.update.byteLength ?? 0,
    ...applied.map(({ update }) => update.byteLength + entryBytes),
    ...refused.map((edit) => edit.value?.bytes.byteLength ?? 0),
    bytesOfTexts(refused.map(({ reason }) => reason)),
    bytesOfTexts(unrepresented),
  ]);
}

export type Fitted = { readonly shown: ShownValue; readonly refused: readonly RefusedEdit[] };

/** What there is room for in a mirror with these edits on top of its snapshot: all of it, or what is left when the least important is gone. */
export function fitted(
  roomBytes: number,
  applied: readonly AppliedUpdate[],
  { shown, refused }: Fitted,
  form: ValueForm,
): Fitted {
  const fits = ({ shown: { value, unrepresented }, refused }: Fitted): boolean =>
    bytesOfMirror(value, { applied, intent: undefined, refused, unrepresented }) <= roomBytes;
  if (fits({ shown, refused })) return { shown, refused };
  const reasons = refused.map((edit) => ({ ...edit, value: undefined }));
  if (fits({ shown, refused: reasons })) return { shown, refused: reasons };
  const omitted = `there is no room for the value of ${shown.value.bytes.byteLength} bytes beside what others have in this mirror`;
  return { shown: { value: form.encode(undefined), omitted, unrepresented: [] }, refused: reasons };
}
