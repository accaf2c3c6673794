import { openEmbeddedJournal } from '#shared/journal/embedded.ts';
import { openEnvironment } from '#shared/runtime/lmdb.ts';
import { journalContract } from '#test/contract/journal.contract.ts';
import { temporaryDirectory } from '#test/harness/temporary-directory.ts';

journalContract('embedded', async ({ partitionCount }) => {
  const directory = temporaryDirectory();
  const open = async () => {
    const environment = await openEnvironment({ directory: directory.path, commitIntervalMs: 0 });
    return { environment, journal: await openEmbeddedJournal(environment, { partitionCount, recordBytesMax: 20 * 1024 * 1024 }) };
  };
  let opened = await open();
  const close = async (): Promise<void> => {
    await opened.journal.close();
    await opened.environment.close();
  };
  return {
    journal: opened.journal,
    reopen: async () => {
      await close();
      opened = await open();
      return opened.journal;
    },
    dispose: async () => {
      await close();
      directory.remove();
    },
  };
});
