/** What a changefeed counts, for Prometheus. */

import { countFrom, countKindsFrom, gaugeFrom, histogram, type Registry } from '#shared/runtime/metrics.ts';

import type { TakingMetrics } from './taking-in.ts';
import type { WatchMetrics, WatchStatus } from './watch-reporting.ts';

const secondsBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60];

export function registerChangefeedMetrics(registry: Registry, status: () => WatchStatus): TakingMetrics & WatchMetrics {
  const counts = { taken: 0, refused: 0, waited: 0, sweptDocuments: 0 };
  const errors = new Map<string, number>();
  const look = histogram(
    registry,
    'inkstream_changefeed_look_seconds',
    'From the announcement of a mirror, or a sweep that came to it, until nothing was left to do',
    secondsBuckets,
  );
  const sweep = histogram(registry, 'inkstream_changefeed_sweep_seconds', 'A sweep over all mirrors', secondsBuckets);
  countFrom(registry, 'inkstream_changefeed_edits_taken_total', 'Edits that are in the journal', () => counts.taken);
  countFrom(registry, 'inkstream_changefeed_edits_refused_total', 'Edits that were put aside', () => counts.refused);
  countFrom(
    registry,
    'inkstream_changefeed_edits_waited_total',
    'Looks at edits that waited for another write, or for a snapshot',
    () => counts.waited,
  );
  countFrom(registry, 'inkstream_changefeed_swept_total', 'Mirrors that sweeps came to', () => counts.sweptDocuments);
  countKindsFrom(registry, 'inkstream_changefeed_errors_total', 'What went wrong, by kind', () => errors);
  gaugeFrom(registry, 'inkstream_changefeed_lease_held', 'Whether this process has the lease: 1 or 0', () =>
    status().state === 'waiting' ? 0 : 1,
  );
  gaugeFrom(registry, 'inkstream_changefeed_following', 'Whether the database announces changes to it: 1 or 0', () =>
    status().state === 'following' ? 1 : 0,
  );
  gaugeFrom(registry, 'inkstream_changefeed_pending', 'Mirrors that are to be looked at', () => status().pending);
  gaugeFrom(
    registry,
    'inkstream_changefeed_lag_seconds',
    'How long the mirror that has waited longest has',
    () => status().waitedMs / 1000,
  );
  return {
    taken: () => void counts.taken++,
    refused: () => void counts.refused++,
    waited: () => void counts.waited++,
    looked: ({ ms }) => look.observe(ms / 1000),
    swept: ({ documents, ms }) => {
      counts.sweptDocuments += documents;
      sweep.observe(ms / 1000);
    },
    failed: (error) => void errors.set(error, (errors.get(error) ?? 0) + 1),
  };
}
