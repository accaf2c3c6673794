/** The entry of the thread for mirrors in MongoDB: one question at a time. */

import { answerQuestions } from '#shared/runtime/thread.ts';
import { bsonForm } from '#shared/store/mongo/bson-form.ts';
import { answerMirror, type MirrorQuestion } from './thread.ts';

answerQuestions((question: MirrorQuestion) => answerMirror(question, bsonForm));
