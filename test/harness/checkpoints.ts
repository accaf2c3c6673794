/** How far the persisters of a cluster say that they have stored the journal (`/readyz`). */

type Told = {
  readonly persister?: { readonly partitions: readonly { readonly partition: number; readonly checkpoint?: number }[] };
};
type Persister = { readonly url: string };

/** By partition; 0 where one is not known yet, nothing where a partition is nobody's. */
async function checkpointsToldBy(persisters: readonly Persister[]): Promise<readonly number[]> {
  const checkpoints: number[] = [];
  for (const { url } of persisters) {
    const { persister } = (await (await fetch(`${url}/readyz`)).json()) as Told;
    for (const { partition, checkpoint = 0 } of persister?.partitions ?? []) checkpoints[partition] = checkpoint;
  }
  return checkpoints;
}

/** Records of all partitions of one. */
export async function storedBy(persister: Persister): Promise<number> {
  return (await checkpointsToldBy([persister])).reduce((sum, checkpoint) => sum + checkpoint, 0);
}
