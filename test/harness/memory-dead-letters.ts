/** Dead letters in memory, as the bytes that a real topic would keep. */

import { type DeadLetterTopic, decodeDeadLetter, encodeDeadLetter } from '#shared/journal/dead-letter.ts';
import { JournalUnavailable } from '#shared/journal/journal.ts';

export type MemoryDeadLetters = DeadLetterTopic & {
  readonly stored: Uint8Array[];
  /** While it is, everything is refused. */
  isAway: boolean;
};

export function memoryDeadLetters(): MemoryDeadLetters {
  const letters: MemoryDeadLetters = {
    stored: [],
    isAway: false,
    append: async (letter) => {
      if (letters.isAway) throw new JournalUnavailable('away');
      letters.stored.push(encodeDeadLetter(letter));
    },
    read: async (onLetter) => {
      if (letters.isAway) throw new JournalUnavailable('away');
      for (const bytes of [...letters.stored]) onLetter(decodeDeadLetter(bytes));
    },
  };
  return letters;
}
