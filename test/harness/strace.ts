/**
 * What a process asked of the kernel, in order: the output of `strace -D -f -xx -yy`, read.
 *
 * A call has two moments, its begin and its end, which are line numbers here: other threads' calls may lie between them. What a process
 * tells the world has left it when the call begins, at the earliest; what it has asked for is done when the call has returned.
 */

import { spawnSync } from 'node:child_process';
import { decodeFrame } from '#shared/wire/y-websocket.ts';

export type Call = {
  readonly name: string;
  readonly begin: number;
  readonly end: number;
  /** The number and the path or addresses of the file that the first argument is, if it is one. */
  readonly descriptor: number;
  readonly file: string;
  /** All strings among the arguments, one after the other. */
  readonly bytes: Buffer;
  readonly result: number;
  readonly text: string;
};

/** Why no process can be watched here, or undefined. */
export function straceMissing(): string | undefined {
  const { error, status } = spawnSync('strace', ['-D', '-o', '/dev/null', 'true']);
  if (error !== undefined) return 'no strace on the PATH';
  return status === 0 ? undefined : 'strace may not watch processes here';
}

/** Runs a command in its own place, watched. */
export const straceTo = (file: string): readonly string[] => [
  ...['strace', '-D', '-f', '-xx', '-yy', '-s', '1000000', '-o', file],
  ...['-e', 'trace=openat,recvfrom,read,write,writev,sendto,sendmsg,pwrite64,pwritev,fdatasync,fsync,msync'],
];

const hexOf = (text: string): Buffer => Buffer.from(text.replaceAll(String.raw`\x`, ''), 'hex');

function readCall(name: string, begin: number, end: number, text: string): Call {
  const [, descriptor = '-1', file = ''] = /^(\d+)<([^>]*(?:->[^>]*)?)>/u.exec(text) ?? [];
  const [, result = '-1'] = / = (-?\d+)[^=]*$/u.exec(text) ?? [];
  const strings = [...text.matchAll(/"((?:\\x[0-9a-f]{2})*)"/gu)].map(([, hex = '']) => hexOf(hex));
  return {
    name,
    begin,
    end,
    descriptor: Number(descriptor),
    file: file.startsWith(String.raw`\x`) ? hexOf(file).toString('utf8') : file,
    bytes: Buffer.concat(strings),
    result: Number(result),
    text,
  };
}

/** The calls in the order in which they ended. */
export function readTrace(trace: string): readonly Call[] {
  const unfinished = new Map<string, { readonly begin: number; readonly text: string }>();
  const calls: Call[] = [];
  for (const [line, content] of trace.split('\n').entries()) {
    const [, pid = '', resumed, called = '', rest = ''] = /^(\d+) +(<\.\.\. )?(\w+)(?: resumed>|\()(.*)$/u.exec(content) ?? [];
    if (pid === '') continue;
    if (rest.endsWith(' <unfinished ...>')) {
      unfinished.set(pid, { begin: line, text: rest.slice(0, -' <unfinished ...>'.length) });
      continue;
    }
    const started = resumed === undefined ? undefined : unfinished.get(pid);
    calls.push(readCall(called, started?.begin ?? line, line, (started?.text ?? '') + rest));
  }
  return calls;
}

type Received = { readonly update: Buffer; readonly at: number };
type Acknowledged = { readonly frames: number; readonly at: number };

/** Cuts a stream of WebSocket frames into payloads, each with the moment of the piece that its last byte was in. Pieces of HTTP before are left out. */
function* payloadsOf(
  pieces: readonly { readonly bytes: Buffer; readonly at: number }[],
): Iterable<{ payload: Buffer; at: number }> {
  let rest: Buffer = Buffer.alloc(0);
  let isUpgraded = false;
  for (const { bytes, at } of pieces) {
    rest = Buffer.concat([rest, bytes]);
    const head = isUpgraded ? 0 : rest.indexOf('\r\n\r\n') + 4;
    if (!isUpgraded && head === 3) continue;
    isUpgraded = true;
    rest = rest.subarray(head);
    for (let cut = cutFrame(rest); cut !== undefined; cut = cutFrame(rest)) {
      yield { payload: cut.payload, at };
      rest = rest.subarray(cut.length);
    }
  }
}

/** The first frame (RFC 6455 §5.2) of `bytes`, if it is whole. */
function cutFrame(bytes: Buffer): { readonly payload: Buffer; readonly length: number } | undefined {
  if (bytes.length < 2) return undefined;
  const [, second = 0] = bytes;
  const short = second & 0x7f;
  const head = short === 127 ? 10 : short === 126 ? 4 : 2;
  const masked = second >= 0x80 ? 4 : 0;
  if (bytes.length < head + masked) return undefined;
  const size = short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short;
  const length = head + masked + size;
  if (bytes.length < length) return undefined;
  const mask = bytes.subarray(head, head + masked);
  const payload = Buffer.from(bytes.subarray(head + masked, length));
  for (let at = 0; masked > 0 && at < size; at++) payload[at] = (payload[at] ?? 0) ^ (mask[at % 4] ?? 0);
  return { payload, length };
}

function readConnection(calls: readonly Call[]): {
  readonly received: readonly Received[];
  readonly acknowledged: readonly Acknowledged[];
} {
  const came = calls
    .filter(({ name, result }) => name === 'recvfrom' && result > 0)
    .map(({ bytes, end }) => ({ bytes, at: end }));
  const went = calls
    .filter(({ name, result }) => /^(?:sendto|sendmsg|write|writev)$/u.test(name) && result > 0)
    .map(({ bytes, result, begin }) => ({ bytes: bytes.subarray(0, result), at: begin }));
  const received: Received[] = [];
  for (const { payload, at } of payloadsOf(came)) {
    const frame = decodeFrame(payload);
    if (frame.kind === 'step2' || frame.kind === 'update') received.push({ update: Buffer.from(frame.update), at });
  }
  const acknowledged: Acknowledged[] = [];
  for (const { payload, at } of payloadsOf(went)) {
    const [type, ...digits] = payload;
    if (type === 8)
      acknowledged.push({ frames: digits.reduce((sum, digit, place) => sum + (digit & 0x7f) * 2 ** (7 * place), 0), at });
  }
  return { received, acknowledged };
}

export type Durability = { readonly written: number; readonly synced: number; readonly reachable: number };

/**
 * When what was written after the moment `after`, and has `mark` in it, was on the disk: a write to the data file has it, a sync of that file that began after
 * this write returned without an error, and so did a synchronous write (LMDB's meta page, which makes it reachable) after the sync. Infinity: never.
 */
export function readDurability(calls: readonly Call[]): (mark: string | Buffer, after: number) => Durability {
  const data = calls.filter(({ file }) => file.endsWith('/data.mdb'));
  const synchronous = new Set(
    calls.filter(({ name, text }) => name === 'openat' && /O_D?SYNC/u.test(text)).map(({ result }) => result),
  );
  const writes = data.filter(({ name, result }) => /^p?writev?(?:64)?$/u.test(name) && result > 0);
  const syncs = data.filter(({ name, result }) => name === 'fdatasync' && result === 0);
  const metas = writes.filter(({ descriptor }) => synchronous.has(descriptor));
  return (mark, after) => {
    const written = writes.find(({ begin, bytes }) => begin > after && bytes.includes(mark))?.end ?? Infinity;
    const synced = syncs.find(({ begin }) => begin > written)?.end ?? Infinity;
    const reachable = metas.find(({ begin }) => begin > synced)?.end ?? Infinity;
    return { written, synced, reachable };
  };
}

export type AckCheck = { readonly acknowledgements: number; readonly edits: number; readonly complaints: readonly string[] };

/**
 * Whether each acknowledgement in a trace of the server left it after the edits that it speaks of were on the disk. `markOf` finds what is unique in an edit's
 * update; edits without are not looked at.
 */
export function checkAcknowledgements(calls: readonly Call[], markOf: (update: Buffer) => string | undefined): AckCheck {
  const durabilityOf = readDurability(calls);
  const connections = Map.groupBy(
    calls.filter(({ file }) => file.startsWith('TCP:')),
    ({ descriptor, file }) => `${descriptor} ${file}`,
  );

  const complaints: string[] = [];
  let acknowledgements = 0;
  let edits = 0;
  for (const { received, acknowledged } of [...connections.values()].map(readConnection)) {
    let settled = 0;
    for (const { frames, at } of acknowledged) {
      acknowledgements++;
      for (const { update, at: arrived } of received.slice(settled, frames)) {
        const mark = markOf(update);
        if (mark === undefined) continue;
        edits++;
        const { written, synced, reachable } = durabilityOf(mark, arrived);
        if (!(arrived < at && reachable < at)) {
          complaints.push(
            `${mark} came at ${arrived}, was written at ${written}, synced at ${synced}, reachable at ${reachable}, acknowledged at ${at}`,
          );
        }
      }
      if (frames > received.length) complaints.push(`${frames} frames were acknowledged, ${received.length} had come`);
      settled = frames;
    }
  }
  return { acknowledgements, edits, complaints };
}
