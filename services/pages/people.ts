/**
 * Who is here.
 *
 * A person's name and colour come from other people's browsers, as JSON of any shape, and end up in everybody's page. So nothing of it is used
 * as it is: a name is cut to a length and cleaned of control characters, and a colour is only a hint for one of our own. No style and no markup
 * of a stranger's reaches the document. The shape is that of the Yjs editor bindings (`user: { name, color, colorLight }`), so that editors
 * other than this page see us too, and we them.
 */

/** The colours on the wire; `style.css` has a pair for light and dark under the same numbers (`.person-0` …). */
export const palette = ['#1f5fbf', '#b02a6f', '#0b6e64', '#9a4a06', '#6a3fc8', '#3d6e12', '#b8321f', '#0b6a8a'] as const;

/** The longest name, in characters (code points). */
export const nameLengthMax = 32;

export type Person = {
  readonly clientId: number;
  readonly name: string;
  /** An index into `palette`. */
  readonly colour: number;
};

const adjectives = ['Amber', 'Brave', 'Calm', 'Clever', 'Gentle', 'Happy', 'Keen', 'Lucky', 'Merry', 'Quiet', 'Swift', 'Witty'];
const animals = ['Badger', 'Crane', 'Dolphin', 'Finch', 'Hare', 'Heron', 'Lynx', 'Marten', 'Otter', 'Owl', 'Robin', 'Seal'];

/** A friendly name for someone who has not said theirs. `random` as `Math.random`. */
export function suggestPersonName(random: () => number): string {
  const pick = (words: readonly string[]): string => words[Math.floor(random() * words.length)] ?? '';
  return `${pick(adjectives)} ${pick(animals)}`;
}

/** A name as it may be shown: one line, no control characters or direction overrides, at most `nameLengthMax` characters; '' where nothing is left. */
export function cleanName(name: string): string {
  const visible = name.toWellFormed().replace(/[\s\p{Cc}\u202A-\u202E\u2066-\u2069]+/gu, ' ');
  return Array.from(visible.trim()).slice(0, nameLengthMax).join('').trim();
}

/** The awareness field `user` for a name and a colour. */
export function userField(
  name: string,
  colour: number,
): { readonly name: string; readonly color: string; readonly colorLight: string } {
  const color = palette[colour] ?? palette[0];
  return { name, color, colorLight: `${color}33` };
}

/** The person behind an awareness state, which may be anything. */
export function personOf(clientId: number, state: unknown): Person {
  const user = field(state, 'user');
  const name = field(user, 'name');
  const colour = palette.findIndex((color) => color === field(user, 'color'));
  return {
    clientId,
    name: (typeof name === 'string' ? cleanName(name) : '') || 'Someone',
    colour: colour === -1 ? clientId % palette.length : colour,
  };
}

/**
 * The colour to have among these people: the one that we have, unless someone with a smaller client id has it too and another one is free.
 * Of two who share a colour only one gives way, so it ends.
 */
export function settleColour(own: Person, others: readonly Person[]): number {
  if (!others.some((other) => other.colour === own.colour && other.clientId < own.clientId)) return own.colour;
  const free = palette.findIndex((_, colour) => !others.some((other) => other.colour === colour));
  return free === -1 ? own.colour : free;
}

/** A field of a value of which nothing is known; undefined where there is none. */
export function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
