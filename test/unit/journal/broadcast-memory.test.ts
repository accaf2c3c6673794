import { expect, test } from 'vitest';
import { type BroadcastStep, createBroadcastBus, createMemoryBroadcast } from '#shared/journal/broadcast-memory.ts';
import { settle } from '#test/harness/virtual-clock.ts';

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const message = (said: string): Uint8Array => new TextEncoder().encode(said);

/** A bus, and processes on it that write down what they hear. */
function world() {
  const bus = createBroadcastBus(2);
  const fails = { at: undefined as BroadcastStep | undefined };
  const join = () => {
    const broadcast = createMemoryBroadcast({
      bus,
      messageBytesMax: 10,
      step: (step) => {
        if (step === fails.at) throw new Error('bad weather');
      },
    });
    const heard: string[] = [];
    const listening = broadcast.listen(0, {
      onMessage: (bytes) => void heard.push(text(bytes)),
      onGap: () => void heard.push('gap'),
    });
    return { ...broadcast, heard, listening, say: (said: string) => broadcast.send(0, message(said)) };
  };
  return { fails, join };
}

test('JR41: in memory: everyone who listens hears it, in one order, from then on, and not before the call returned', async () => {
  const { join } = world();
  const a = join();
  a.say('too early');
  await settle();
  a.heard.length = 0;
  const b = join();
  await Promise.all([a.listening.ready, b.listening.ready]);
  for (let i = 0; i < 3; i++) {
    a.say(`a${i}`);
    b.say(`b${i}`);
  }
  expect(a.heard).not.toContain('a0');
  a.send(1, message('other'));
  await settle();
  expect(a.heard.filter((said) => said.startsWith('a'))).toEqual(['a0', 'a1', 'a2']);
  expect(a.heard.toSorted()).toEqual(['a0', 'a1', 'a2', 'b0', 'b1', 'b2']);
  expect(b.heard).toEqual(a.heard);
  b.listening.stop();
  a.say('more');
  await settle();
  expect(a.heard.at(-1)).toBe('more');
  expect(b.heard).not.toContain('more');
  expect(() => a.say('far too long')).toThrow('at most 10 bytes');
});

test('GW104: messages are lost, missed with a gap, and held, all on command', async () => {
  const { join, fails } = world();
  const [a, b] = [join(), join()];
  await settle();
  fails.at = 'send';
  a.say('lost');
  await settle();
  fails.at = 'hear';
  a.say('missed');
  await settle();
  fails.at = undefined;
  a.say('heard');
  await settle();
  expect(b.heard).toEqual(['gap', 'heard']);
  b.hold();
  a.say('held');
  a.say('too');
  await settle();
  expect(b.heard).toEqual(['gap', 'heard']);
  b.release('hears-all');
  expect(b.heard).toEqual(['gap', 'heard', 'held', 'too']);
  b.hold();
  a.say('gone');
  await settle();
  b.release('missed-all');
  a.say('after');
  await settle();
  expect(b.heard.slice(4)).toEqual(['gap', 'after']);
});

test('GW104: a process that crashed says and hears nothing, also of what was on its way; one that failed to listen is deaf', async () => {
  const { join, fails } = world();
  const [a, b] = [join(), join()];
  await settle();
  a.say('under way');
  b.say('mine');
  b.crash();
  a.say('more');
  b.say('nothing');
  await settle();
  expect(a.heard).toEqual(['under way', 'more']);
  expect(b.heard).toEqual([]);
  fails.at = 'listen';
  const deaf = join();
  await settle();
  fails.at = undefined;
  a.say('hello');
  await settle();
  expect(deaf.heard).toEqual([]);
});
