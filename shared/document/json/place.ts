/** Where something is in a value: for saying so. Costs nothing until it is said, since nearly none is. */

export type Place = { readonly within: Place | undefined; readonly step: string | number; readonly depth: number };

/** A root. */
export function rootPlace(name: string): Place {
  return { within: undefined, step: name, depth: 1 };
}

/** A key or an index of `place`, so many JSON levels further in. */
export function inside(place: Place, step: string | number, levels = 1): Place {
  return { within: place, step, depth: place.depth + levels };
}

/**
 * How many levels of objects and lists a value may have. MongoDB stops at a hundred, the mirror's own among them; and whoever walks a value walks it by
 * recursion.
 */
export const depthMax = 90;

const identifier = /^[\p{L}_][\p{L}\p{N}_-]*$/u;
const stepCharactersMax = 60;

/** As in a program: `map.list[3].title`. */
function describePlace(place: Place): string {
  const before = place.within === undefined ? '' : describePlace(place.within);
  if (typeof place.step === 'number') return `${before}[${place.step}]`;
  const step = place.step.length > stepCharactersMax ? `${place.step.slice(0, stepCharactersMax)}…` : place.step;
  if (!identifier.test(step)) return `${before}[${JSON.stringify(step)}]`;
  return before === '' ? step : `${before}.${step}`;
}

const saidCharactersMax = 1_000;

/** What there is to say of a place, in a line: names in it may have any length, and it has not. */
export function saidOf(place: Place, what: string): string {
  const line = `${describePlace(place)}: ${what}`;
  return line.length > saidCharactersMax ? `${line.slice(0, saidCharactersMax).toWellFormed()}…` : line;
}
