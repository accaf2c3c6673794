import { expect, test } from 'vitest';
import { checkAgainstStorage } from '#gateway/limits.ts';
import { defaultGatewayLimits } from '#test/harness/memory-gateway.ts';

test('GW106: limits that journal, store or the other gateways can not keep up with are said at the start', () => {
  const large = { recordBytesMax: 2 ** 30 };
  const store = { segmentBytesMax: 2 ** 30 };
  const faults = (
    limits: Partial<typeof defaultGatewayLimits>,
    ...storage: Parameters<typeof checkAgainstStorage> extends [unknown, ...infer Rest] ? Rest : never
  ) => checkAgainstStorage({ ...defaultGatewayLimits, ...limits }, ...storage);
  expect(faults({}, large, store, { messageBytesMax: 512 * 1024 })).toEqual([]);
  expect(faults({}, { recordBytesMax: 1_000 }, store)).toEqual([expect.stringMatching(/FRAME_BYTES_MAX.*1000 bytes.*journal/u)]);
  expect(faults({}, large, { segmentBytesMax: 1_000 })).toEqual([expect.stringMatching(/FRAME_BYTES_MAX.*store/u)]);
  expect(faults({ awarenessStateBytesMax: 600_000 }, large, store, { messageBytesMax: 512 * 1024 })).toEqual([
    expect.stringMatching(/AWARENESS_STATE_BYTES_MAX.*gateways/u),
  ]);
  expect(faults({ awarenessStateBytesMax: 600_000 }, large, store)).toEqual([]);
});
