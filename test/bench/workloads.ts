/** What is measured: who has which documents open, and how fast they type. README.md says how to read the results. */

/** People typing: `documents` × `clientsPerDocument` connections, of which the first `writersPerDocument` of each document type. */
export type TypingWorkload = {
  readonly kind: 'typing';
  readonly name: string;
  readonly title: string;
  readonly documents: number;
  readonly clientsPerDocument: number;
  readonly writersPerDocument: number;
  readonly editsPerSecond: number;
  readonly baseCharacters: number;
};

/** `clients` opening one document of at least `documentBytes`, all at once, on a server that was just started and has it stored. */
export type OpeningWorkload = {
  readonly kind: 'opening';
  readonly name: string;
  readonly title: string;
  readonly clients: number;
  readonly documentBytes: number;
};

/** `connections` that do nothing, spread evenly over `documents` that are open already. */
export type IdleWorkload = {
  readonly kind: 'idle';
  readonly name: string;
  readonly title: string;
  readonly documents: number;
  readonly connections: number;
  readonly baseCharacters: number;
};

export type Workload = TypingWorkload | OpeningWorkload | IdleWorkload;

export const workloads: readonly Workload[] = [
  {
    kind: 'typing',
    name: 'W1',
    title: '1 document, 100 clients, 10 of them writing 10 edits/s each',
    documents: 1,
    clientsPerDocument: 100,
    writersPerDocument: 10,
    editsPerSecond: 10,
    baseCharacters: 20_000,
  },
  {
    kind: 'typing',
    name: 'W1b',
    title: '1 document, 100 clients, 20 of them writing 20 edits/s each',
    documents: 1,
    clientsPerDocument: 100,
    writersPerDocument: 20,
    editsPerSecond: 20,
    baseCharacters: 20_000,
  },
  {
    kind: 'typing',
    name: 'W2',
    title: '500 documents, 4 clients each, 1 writing 2 edits/s',
    documents: 500,
    clientsPerDocument: 4,
    writersPerDocument: 1,
    editsPerSecond: 2,
    baseCharacters: 2_000,
  },
  {
    kind: 'typing',
    name: 'W3',
    title: '500 documents, 4 clients each, all 4 writing 2 edits/s',
    documents: 500,
    clientsPerDocument: 4,
    writersPerDocument: 4,
    editsPerSecond: 2,
    baseCharacters: 2_000,
  },
  {
    kind: 'opening',
    name: 'W4',
    title: 'cold opening of a 1 MB document by 200 clients at once',
    clients: 200,
    documentBytes: 1_000_000,
  },
  {
    kind: 'idle',
    name: 'idle',
    title: '5,000 idle connections over 500 documents',
    documents: 500,
    connections: 5_000,
    baseCharacters: 2_000,
  },
];
