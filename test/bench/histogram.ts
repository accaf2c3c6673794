/** Durations in buckets that grow by 2 %: constant memory, cheap to record, mergeable across processes, exact to 1 %. */

const growth = Math.log(1.02);
const bucketCount = 1_200;
const smallestMs = 0.001;

export type Histogram = { readonly counts: Float64Array; total: number };

export const emptyHistogram = (): Histogram => ({ counts: new Float64Array(bucketCount), total: 0 });

/** Counts one duration in milliseconds. */
export function record(histogram: Histogram, ms: number): void {
  const bucket = ms <= smallestMs ? 0 : Math.min(bucketCount - 1, Math.floor(Math.log(ms / smallestMs) / growth));
  histogram.counts[bucket] = (histogram.counts[bucket] ?? 0) + 1;
  histogram.total++;
}

export function mergeHistograms(histograms: readonly Histogram[]): Histogram {
  const merged = emptyHistogram();
  for (const histogram of histograms) {
    histogram.counts.forEach((count, bucket) => (merged.counts[bucket] = (merged.counts[bucket] ?? 0) + count));
    merged.total += histogram.total;
  }
  return merged;
}

/** The duration in milliseconds that a share `quantile` (0 … 1) of all stays within; undefined where nothing was recorded. */
export function quantile(histogram: Histogram, share: number): number | undefined {
  if (histogram.total === 0) return undefined;
  let left = Math.max(1, Math.ceil(histogram.total * share));
  for (let bucket = 0; bucket < bucketCount; bucket++) {
    left -= histogram.counts[bucket] ?? 0;
    if (left <= 0) return smallestMs * Math.exp((bucket + 0.5) * growth);
  }
  return undefined;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
