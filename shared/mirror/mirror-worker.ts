/** The entry of the thread for mirrors: one question at a time. */

import { answerQuestions } from '#shared/runtime/thread.ts';
import { answerMirror } from './thread.ts';

answerQuestions(answerMirror);
