/** The entry of the compaction thread: one request at a time; buffers change hands instead of being copied. */

import { compact } from '#shared/document/compact.ts';
import { answerQuestions } from '#shared/runtime/thread.ts';

import { answerInThread, type ThreadRequest, transferOf } from './compaction-thread.ts';

answerQuestions((request: ThreadRequest) => answerInThread(request, compact), transferOf);
