/** What bounds the watch over mirrors, as settings: each is named with its unit last, has a default, and is checked against its neighbours at the start. */

import { amount, duration, outOfOrder, type SettingValues, variableName } from '#shared/runtime/config.ts';

export const watchSettings = {
  leaseMs: duration(3_000, 'how long a changefeed that says nothing keeps its lease; then another one takes over'),
  leaseRenewMs: duration(1_000, 'how often the holder of the lease says that it is there, and others look whether it is'),
  looksMax: amount('documents', 16, 'that are looked at side by side'),
  sweepLooksMax: amount('documents', 4, 'of them that only a sweep has come to; edits that were announced have the others'),
  announcedMax: amount('documents', 10_000, 'announced and not looked at yet; past it no more announcements are read'),
  sweepIntervalMs: duration(600_000, 'from the end of a sweep over all mirrors to the beginning of the next'),
  sweepAloneIntervalMs: duration(2_000, 'the same where the database announces nothing, and sweeps are all there is'),
  sweepPageNames: amount('names', 500, 'that a sweep reads at a time'),
  tokenIntervalMs: duration(1_000, 'the shortest time between two writes of how far the announcements were looked at'),
  lookAgainMsMin: duration(20, 'the first wait before a document that is not done is looked at again; it doubles, with jitter'),
  lookAgainMsMax: duration(2_000, 'the longest such wait'),
  retryMsMin: duration(
    100,
    'the first wait after the database or the journal was not available, or a look failed; it doubles, with jitter',
  ),
  retryMsMax: duration(5_000, 'the longest such wait'),
  lookFailuresMax: amount('failures', 8, 'in a row of one document, after which it is left to the next sweep'),
};

export type WatchLimits = SettingValues<typeof watchSettings>;

/** What contradicts what, a line each. */
export function watchLimitProblems(limits: WatchLimits): readonly string[] {
  const problems: string[] = [];
  const value = (key: keyof WatchLimits): string => `${variableName(key)}=${limits[key]}`;
  if (limits.leaseMs < 2 * limits.leaseRenewMs)
    problems.push(`${value('leaseMs')} is less than twice ${value('leaseRenewMs')}: one late answer would lose the lease`);
  if (limits.sweepLooksMax >= limits.looksMax)
    problems.push(`${value('sweepLooksMax')} leaves none of ${value('looksMax')} to edits that were announced`);
  const pairs = [
    ['retryMsMin', 'retryMsMax'],
    ['lookAgainMsMin', 'lookAgainMsMax'],
  ] as const;
  return [...problems, ...outOfOrder(limits, pairs)];
}
