/**
 * The page's own elements, by the ids that `index.html` gives them.
 */

/** @throws Error where there is none of that kind: `index.html` and the code disagree. */
export function element<E extends HTMLElement>(id: string, kind: new () => E): E {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new Error(`index.html has no ${kind.name} with the id ${id}`);
}
