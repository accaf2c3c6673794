/**
 * On SIGUSR2 a process has its main thread's garbage collected, and says on stdout how many bytes of its heap and its buffers are in use then: what nobody
 * has cleared away yet is not in them. Twice, as in garbage.ts. For `node --expose-gc --import`; JavaScript since it comes before whatever strips types.
 */

process.on('SIGUSR2', () => {
  globalThis.gc?.();
  setImmediate(() => {
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    process.stdout.write(`in use ${heapUsed + external}\n`);
  });
});
