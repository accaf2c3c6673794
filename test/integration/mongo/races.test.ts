/** Programs with the driver, and rewrites of the mirrors that they edit, on connections of their own to MongoDB or what stands in for it. */

import { randomUUID } from 'node:crypto';
import { test } from 'vitest';
import { openDatabase } from '#shared/store/mongo.ts';
import { mirrorRacesContract, type RacingEdit } from '#test/contract/mirror-races.contract.ts';
import { mongodbForTests, withDatabase } from '#test/harness/backends.ts';
import { type MirrorProgram, openMirrorProgram } from '#test/harness/mirror-program.ts';

/** Writes back what was read, with a field more, where it was not written again meanwhile. */
const replacing =
  ({ mirrors, read }: MirrorProgram, bookkeeping: 'kept' | 'left out'): RacingEdit =>
  async (document, field) => {
    for (;;) {
      const { value, inkstream } = (await read(document)) ?? { value: {} };
      if (inkstream === undefined) throw new Error('an edit of before is still to be taken in');
      const kept = bookkeeping === 'kept' ? { inkstream } : {};
      const replacement = { ...kept, value: { ...value, fields: { ...value.fields, [field]: 1 } } };
      const { matchedCount } = await mirrors.replaceOne({ _id: document, 'inkstream.rev': inkstream.rev }, replacement);
      if (matchedCount > 0) return;
    }
  };

const had = await mongodbForTests();
if (had.kind === 'missing') {
  test('MS20: edits that race with rewrites, on MongoDB', ({ skip }) => skip(had.reason));
} else {
  mirrorRacesContract('MongoDB', 1_000, async () => {
    const url = withDatabase(had.url, `inkstream-test-${randomUUID().slice(0, 8)}`);
    const program = await openMirrorProgram(url);
    const [ours, others] = [(await openDatabase({ url })).mirrors, (await openDatabase({ url })).mirrors] as const;
    return {
      mirrors: [ours, others],
      edits: [
        (document, field) => program.setField(document, field, 1),
        replacing(program, 'kept'),
        replacing(program, 'left out'),
      ],
      dispose: async () => {
        await ours.close();
        await others.close();
        await program.mirrors.db.dropDatabase();
        await program.close();
      },
    };
  });
}
