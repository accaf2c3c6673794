/** What a persister counts, for Prometheus. */

import { countFrom, countKindsFrom, gaugeFrom, histogram, type Registry } from '#shared/runtime/metrics.ts';

import type { Mirroring } from './mirroring.ts';
import type { PersisterLag, PersisterMetrics } from './reporting.ts';

const secondsBuckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60];

export function registerPersisterMetrics(registry: Registry, lag: () => PersisterLag): PersisterMetrics {
  const counts = { records: 0, segments: 0, bytes: 0, deadLetters: 0 };
  const errors = new Map<string, number>();
  const flush = histogram(registry, 'inkstream_persister_flush_seconds', 'Storing what was gathered', secondsBuckets);
  const compaction = histogram(registry, 'inkstream_persister_compaction_seconds', 'Compacting one document', secondsBuckets);
  countFrom(registry, 'inkstream_persister_records_total', 'Records stored', () => counts.records);
  countFrom(registry, 'inkstream_persister_segments_total', 'Segments stored', () => counts.segments);
  countFrom(registry, 'inkstream_persister_bytes_total', 'Bytes of the updates stored', () => counts.bytes);
  countFrom(registry, 'inkstream_persister_dead_letters_total', 'Records set aside', () => counts.deadLetters);
  countKindsFrom(registry, 'inkstream_persister_errors_total', 'What went wrong, by kind', () => errors);
  gaugeFrom(registry, 'inkstream_persister_lag_records', 'Records that are not in the store yet', () => lag().records);
  gaugeFrom(registry, 'inkstream_persister_lag_bytes', 'Bytes gathered that are not in the store yet', () => lag().bytes);
  gaugeFrom(
    registry,
    'inkstream_persister_lag_seconds',
    'Age of the oldest record that is not in the store',
    () => lag().ageMs / 1000,
  );
  return {
    flushed: ({ records, segments, bytes, ms }) => {
      counts.records += records;
      counts.segments += segments;
      counts.bytes += bytes;
      flush.observe(ms / 1000);
    },
    compacted: ({ ms }) => compaction.observe(ms / 1000),
    deadLettered: () => {
      counts.deadLetters++;
    },
    failed: (error) => {
      errors.set(error, (errors.get(error) ?? 0) + 1);
    },
  };
}

/** What it counts of mirrors, where it keeps them. Returned: to be told of each one that was written. */
export function registerMirrorMetrics(registry: Registry, waiting: () => number): Mirroring['written'] {
  let bytes = 0;
  const writing = histogram(
    registry,
    'inkstream_persister_mirror_seconds',
    'Writing one mirror, with the snapshot that it is made from',
    secondsBuckets,
  );
  countFrom(registry, 'inkstream_persister_mirror_bytes_total', 'Bytes of the values written into mirrors', () => bytes);
  gaugeFrom(registry, 'inkstream_persister_mirrors_waiting', 'Documents that wait for their mirrors', waiting);
  return ({ valueBytes, ms }) => {
    bytes += valueBytes;
    writing.observe(ms / 1000);
  };
}
