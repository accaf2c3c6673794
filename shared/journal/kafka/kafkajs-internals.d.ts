/** What of kafkajs 2.2.4 is used beneath its public interface, as far as it is used. It has no types of its own. */

/** One request: how it is encoded, and how its response is read. `parse` throws at the first error code in what `decode` returns. */
type KafkaRequest = {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    readonly encode: () => Promise<unknown>;
  };
  readonly response: {
    readonly decode: (payload: Buffer) => Promise<unknown>;
    readonly parse: (decoded: unknown) => Promise<unknown>;
  };
  readonly requestTimeout?: number;
};

type KafkaRequestDefinitions = { readonly versions: readonly string[] };

declare module 'kafkajs/src/network/connectionPool.js' {
  class Connection {
    readonly socket?: { destroy: () => unknown };
    isConnected(): boolean;
    disconnect(): Promise<unknown>;
    rejectRequests(error: Error): void;
  }
  /** Two connections to one broker: one for Fetch, one for everything else. */
  class ConnectionPool {
    readonly pool: readonly Connection[];
    constructor(options: Readonly<Record<string, unknown>>);
    getConnection(index: number): Promise<Connection>;
    send(request: KafkaRequest): Promise<unknown>;
  }
  export default ConnectionPool;
}

declare module 'kafkajs/src/broker/index.js' {
  import type ConnectionPool from 'kafkajs/src/network/connectionPool.js';
  class Broker {
    readonly versions: Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number }>> | null;
    readonly connectionPool: ConnectionPool;
    constructor(options: Readonly<Record<string, unknown>>);
    connect(): Promise<void>;
    lookupRequest(
      apiKey: number,
      definitions: KafkaRequestDefinitions,
    ): (options: Readonly<Record<string, unknown>>) => KafkaRequest;
  }
  export default Broker;
}

declare module 'kafkajs/src/protocol/requests/index.js' {
  const requests: {
    readonly requests: Readonly<Record<'ListOffsets' | 'Metadata' | 'DeleteRecords', KafkaRequestDefinitions>>;
  };
  export default requests;
}

declare module 'kafkajs/src/protocol/encoder.js' {
  class Encoder {
    constructor(initialSize?: number);
    writeBuffer(bytes: Uint8Array): this;
  }
  export default Encoder;
}

declare module 'kafkajs/src/protocol/recordBatch/crc32C/index.js' {
  /** CRC-32C (RFC 3720, Castagnoli), from 0 up. */
  const crc32c: (bytes: Uint8Array) => number;
  export default crc32c;
}

declare module 'kafkajs/src/protocol/error.js' {
  const errors: { readonly createErrorFromCode: (code: number) => Error & { readonly type?: string } };
  export default errors;
}

declare module 'kafkajs/src/network/requestQueue/index.js' {
  class RequestQueue {
    readonly pending: readonly unknown[];
    readonly throttledUntil: number;
    readonly throttleCheckTimeoutId: NodeJS.Timeout | null;
    constructor(options: Readonly<Record<string, unknown>>);
    scheduleCheckPendingRequests(): void;
    checkPendingRequests(): void;
    destroy(): void;
  }
  export default RequestQueue;
}

declare module 'kafkajs/src/network/socketFactory.js' {
  const createSocketFactory: () => unknown;
  export default createSocketFactory;
}

declare module 'kafkajs/src/loggers/index.js' {
  const loggers: { readonly createLogger: (options: Readonly<Record<string, unknown>>) => unknown };
  export default loggers;
}
