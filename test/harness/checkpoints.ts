/** How far a persister says that it has stored the journal (`/readyz`). */

type Told = {
  readonly persister?: { readonly partitions: readonly { readonly checkpoint?: number }[] };
};
type Persister = { readonly url: string };

/** Records of all partitions of one. */
export async function storedBy({ url }: Persister): Promise<number> {
  const { persister } = (await (await fetch(`${url}/readyz`)).json()) as Told;
  return (persister?.partitions ?? []).reduce((sum, { checkpoint = 0 }) => sum + checkpoint, 0);
}
