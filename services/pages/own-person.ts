/**
 * What this browser remembers of the person in front of it: a name and a preferred colour. Where storage is switched off they are new each time.
 */

import { cleanName, palette, suggestPersonName } from './people.ts';

const nameKey = 'inkstream:name';
const colourKey = 'inkstream:colour';

/** The remembered name and colour, or new ones, remembered from now on. */
export function recallOwnPerson(): { readonly name: string; readonly colour: number } {
  const name = cleanName(read(nameKey) ?? '') || suggestPersonName(Math.random);
  const colour = Number(read(colourKey) ?? Math.floor(Math.random() * palette.length));
  rememberOwnName(name);
  write(colourKey, String(colour));
  return { name, colour: colour in palette ? colour : 0 };
}

export const rememberOwnName = (name: string): void => write(nameKey, name);

function read(key: string): string | undefined {
  try {
    return localStorage.getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Storage is switched off or full: the page works, and asks for the name again next time.
  }
}
