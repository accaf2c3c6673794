/** The entry of the compaction thread: one request at a time, answered with one message; buffers change hands instead of being copied. */

import { parentPort } from 'node:worker_threads';

import { compact } from '#shared/document/compact.ts';

import { answerInThread, type ThreadRequest } from './compaction-thread.ts';

parentPort?.on('message', (request: ThreadRequest) => {
  const { answer, transfer } = answerInThread(request, compact);
  parentPort?.postMessage(answer, transfer);
});
