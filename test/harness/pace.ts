/** Counts what was done, for whoever waits until so much was. */
export type Pace = {
  readonly count: () => number;
  readonly step: () => void;
  /** Resolves when so many steps were made, or all. */
  readonly reaches: (wanted: number) => Promise<void>;
  /** Resolves when so many more were made, or all. */
  readonly more: (steps: number) => Promise<void>;
  /** No more will be. */
  readonly over: () => void;
};

export function createPace(): Pace {
  let count = 0;
  let isOver = false;
  let waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  const look = (): void => {
    const due = waiting.filter((one) => isOver || one.count <= count);
    if (due.length === 0) return;
    waiting = waiting.filter((one) => !due.includes(one));
    for (const { resolve } of due) resolve();
  };
  const reaches = (wanted: number): Promise<void> =>
    new Promise((resolve) => {
      waiting.push({ count: wanted, resolve });
      look();
    });
  return {
    count: () => count,
    step: () => {
      count++;
      look();
    },
    reaches,
    more: (steps) => reaches(count + steps),
    over: () => {
      isOver = true;
      look();
    },
  };
}
