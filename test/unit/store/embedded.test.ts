import { openEnvironment } from '#shared/runtime/lmdb.ts';
import { openEmbeddedStore } from '#shared/store/embedded.ts';
import { storeContract } from '#test/contract/store.contract.ts';
import { temporaryDirectory } from '#test/harness/temporary-directory.ts';

storeContract('embedded', async () => {
  const directory = temporaryDirectory();
  const open = async () => {
    const environment = await openEnvironment({ directory: directory.path, commitIntervalMs: 0 });
    return { environment, store: openEmbeddedStore(environment) };
  };
  let opened = await open();
  const close = async (): Promise<void> => {
    await opened.store.close();
    await opened.environment.close();
  };
  return {
    store: opened.store,
    another: async () => openEmbeddedStore(opened.environment),
    reopen: async () => {
      await close();
      opened = await open();
      return opened.store;
    },
    dispose: async () => {
      await close();
      directory.remove();
    },
  };
});
