/**
 * What Node is told for the services, wherever they are started from here: by `make run`, by `make up`, in the image (a test compares the three), and in the benchmark,
 * where the others are told the same.
 *
 * Nearly everything that an edit leaves in the heap is garbage once its readers and the journal have it, some tens of milliseconds later. V8's young generation, of 16 MB a half,
 * is full before that on a busy gateway, so what is about to die is copied twice and then lives among what is old. With 64 MB a half
 * an edit takes 7 to 15 % less of a gateway's processor time; a process that is not busy does not grow into it (V8 doubles the half when enough survives).
 */

export const nodeFlags: readonly string[] = ['--max-semi-space-size=64'];
