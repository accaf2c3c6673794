/**
 * An edit, before it is made.
 *
 * Whether a value can be taken shows only at its last leaf, what an edit costs decides between two bases, and neither may leave a document half edited. So the whole
 * difference is found first, as changes to be made, and then they are made, in one transaction.
 */

import type { SharedType } from './items.ts';
import type { Budget } from './myers.ts';
import { saidOf, type Place } from './place.ts';
import type { Reading } from './runs.ts';
import type { JsonValue } from './value.ts';

/** What is to be put somewhere: a plain value, or a new shared type that is filled once it is in the document. */
export type Made = { readonly content: unknown; readonly fill: () => void };

export type Planning = {
  readonly budget: Budget;
  readonly reading: Reading;
  /** In the order in which they are to be made. */
  readonly changes: (() => void)[];
  /** Why the edit can't be made, in words; '' so far. */
  refused: string;
  /** Marks that may overlap themselves, as the document shows: their formats have hashes. */
  readonly overlapping: Set<string>;
  /** Whether a shared type can be edited to say `value`, in place. */
  readonly editable: (type: SharedType, value: JsonValue) => boolean;
  /** Plans that a shared type, which is editable so, says `value`. */
  readonly edit: (type: SharedType, value: JsonValue, place: Place) => void;
  /** What says `value` in a new place, shaped like its `siblings` (contents of Yjs). */
  readonly make: (value: JsonValue, siblings: readonly unknown[], place: Place) => Made;
  /** What stands for `form` among the characters of a text. */
  readonly makeInset: (form: JsonValue, place: Place) => Made;
};

/** Keeps the first reason. */
export function refuse(planning: Planning, place: Place, reason: string): void {
  if (planning.refused === '') planning.refused = saidOf(place, reason);
}
