/** The entry of the thread for JSON: one question at a time. */

import { answerQuestions } from '#shared/runtime/thread.ts';
import { answerJson } from './json-thread.ts';

answerQuestions(answerJson);
