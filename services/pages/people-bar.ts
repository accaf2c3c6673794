/**
 * The row of people: our own name, to be changed in place, and everybody else's.
 */

import type { Awareness } from 'y-protocols/awareness';
import { element } from './elements.ts';
import { recallOwnPerson, rememberOwnName } from './own-person.ts';
import { cleanName, nameLengthMax, personOf, settleColour, userField, type Person } from './people.ts';

/** How many others are listed by name; of a crowd the rest are a number. */
const listedMax = 12;

/** Announces this browser's person to the others, and keeps the row up to date. */
export function showPeople(awareness: Awareness): void {
  const list = element('people', HTMLUListElement);
  const input = element('own-name', HTMLInputElement);
  const ownChip = element('own-person', HTMLLabelElement);
  const own = recallOwnPerson();
  input.maxLength = nameLengthMax * 2;
  input.value = own.name;
  awareness.setLocalStateField('user', userField(own.name, own.colour));

  // Presence changes with every cursor that moves, and hardly ever changes who is here.
  let listed = '';
  const render = (): void => {
    const states = [...awareness.getStates()];
    const others = states
      .filter(([clientId]) => clientId !== awareness.clientID)
      .map(([clientId, state]) => personOf(clientId, state));
    const self = personOf(awareness.clientID, awareness.getLocalState());
    const colour = settleColour(self, others);
    if (colour !== self.colour) awareness.setLocalStateField('user', userField(self.name, colour));
    ownChip.className = `person own person-${colour}`;
    const listing = JSON.stringify(others);
    if (listing !== listed) list.replaceChildren(...rows(others));
    listed = listing;
  };
  input.addEventListener('change', () => {
    const { colour, name: before } = personOf(awareness.clientID, awareness.getLocalState());
    const name = cleanName(input.value) || before;
    input.value = name;
    rememberOwnName(name);
    awareness.setLocalStateField('user', userField(name, colour));
  });
  input.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') input.blur();
  });
  awareness.on('change', render);
  render();
}

function rows(others: readonly Person[]): HTMLLIElement[] {
  const inOrder = others.toSorted((a, b) => a.clientId - b.clientId);
  const listed = inOrder.slice(0, listedMax).map((person) => row(person.name, `person person-${person.colour}`));
  return inOrder.length > listedMax ? [...listed, row(`and ${inOrder.length - listedMax} more`, 'person-count')] : listed;
}

function row(text: string, className: string): HTMLLIElement {
  const item = document.createElement('li');
  item.className = className;
  const isolated = document.createElement('bdi');
  isolated.textContent = text;
  item.append(isolated);
  return item;
}
