/**
 * Lets a test have the garbage of a server's main thread collected, by SIGUSR2: what is in use is measured then, and not what nobody has cleared away yet.
 * For `node --expose-gc --import`; JavaScript since it comes before whatever strips types.
 */

process.on('SIGUSR2', () => globalThis.gc?.());
