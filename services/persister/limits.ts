/**
 * What bounds the persister, as settings: each is named with its unit last, has a default, and is checked against its neighbours at the
 * start (`limitProblems`), because two limits that contradict each other show up only under load.
 */

import { amount, duration, outOfOrder, type SettingValues } from '#shared/runtime/config.ts';

const mebibyte = 1024 * 1024;

export const persisterSettings = {
  flushIntervalMs: duration(1_000, 'the longest that records of a partition are gathered before they are stored'),
  flushBytes: amount('bytes', mebibyte, 'gathered updates of one partition that are stored without waiting for the interval'),
  flushSliceMs: duration(5, 'how long a flush may merge before it lets the rest of the process run'),
  segmentWritesMax: amount('writes', 16, 'segments that one partition writes to the store at the same time'),
  segmentWriteBytesMax: amount(
    'bytes',
    4 * mebibyte,
    'in segments that one partition writes at the same time; past it the next one waits (a segment may go over)',
  ),
  gatherBytesMax: amount(
    'bytes',
    64 * mebibyte,
    'what records that are not stored yet may occupy; past it no more are read (a batch may go over)',
  ),
  restoreWindowMs: duration(
    0,
    'how long records stay in the journal after they were stored, for a store that is put back to an earlier time',
    0,
  ),
  trimIntervalMs: duration(0, 'shortest time between two cuts of one partition of the journal', 0),

  retryMsMin: duration(100, 'the first wait after the store or the journal was not available; it doubles, with jitter'),
  retryMsMax: duration(10_000, 'the longest such wait'),
  stopMsMax: duration(3_000, 'how long stopping may take, whatever the store does'),
  lagIntervalMs: duration(
    1_000,
    'how often the journal is asked for its ends, to tell how far the store is behind, and the store whether it was put back',
  ),

  compactionSegmentsMin: amount('segments', 64, 'segments of a document that make it due for compaction, however small'),
  compactionBytesPerSegment: amount(
    'bytes',
    64 * 1024,
    'of its snapshot that ask for one more segment: large documents are compacted less often',
  ),
  compactionBytesMin: amount('bytes', 64 * 1024, 'bytes in segments of a document that make it due, however few segments'),
  compactionSnapshotPercent: amount('percent', 25, 'of its snapshot that its segments must reach, where that is more'),
  compactionMsMax: duration(60_000, 'how long compacting one document may take in its thread'),
  compactionHeapMbMax: amount('MB', 2_048, 'the heap of the compaction thread; running out of it ends that thread alone'),
  compactionIdleMs: duration(30_000, 'after which an idle compaction thread is ended'),
  compactionRetryMsMin: duration(
    60_000,
    'how long a document that could not be compacted is left alone; it doubles with each failure',
  ),
  compactionRetryMsMax: duration(3_600_000, 'the longest time that it is left alone'),
  compactionDocumentsMax: amount(
    'documents',
    10_000,
    'whose growth is remembered; a forgotten one is looked up when it is written next',
  ),
  retireAfterMs: duration(60_000, 'after a head has moved, when what it covers is deleted: readers that began before are done'),
};

export type PersisterLimits = SettingValues<typeof persisterSettings>;

export const persisterLimits: PersisterLimits = Object.fromEntries(
  Object.entries(persisterSettings).map(([name, setting]) => [name, setting.fallback]),
) as PersisterLimits;

/** What is wrong with these limits together, in words for the person who set them; empty where nothing is. */
export const limitProblems = (limits: PersisterLimits): readonly string[] =>
  outOfOrder(limits, [
    ['flushBytes', 'gatherBytesMax'],
    ['retryMsMin', 'retryMsMax'],
    ['compactionRetryMsMin', 'compactionRetryMsMax'],
  ]);
