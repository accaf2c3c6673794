/** How far a persister says that it is (`/readyz`). Not by its metrics: those take 10 ms of its time for each look. */

type Told = {
  readonly persister?: {
    readonly partitions: readonly { readonly checkpoint?: number }[];
    readonly lag: { readonly ageMs: number };
  };
};
type Persister = { readonly url: string };

const toldBy = async ({ url }: Persister): Promise<Told['persister']> =>
  ((await (await fetch(`${url}/readyz`)).json()) as Told).persister;

/** Records of all partitions of one that are stored. */
export const storedBy = async (persister: Persister): Promise<number> =>
  ((await toldBy(persister))?.partitions ?? []).reduce((sum, { checkpoint = 0 }) => sum + checkpoint, 0);

/** The age of the oldest record that one has not stored, in milliseconds. */
export const lagMsOf = async (persister: Persister): Promise<number> => (await toldBy(persister))?.lag.ageMs ?? 0;
