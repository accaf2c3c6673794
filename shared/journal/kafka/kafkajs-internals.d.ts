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

declare module 'kafkajs/src/cluster/index.js' {
  export type Broker = {
    readonly nodeId: number | string;
    readonly versions: Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number }>> | null;
    readonly connectionPool: { send: (request: KafkaRequest) => Promise<unknown> };
    lookupRequest: (
      apiKey: number,
      definitions: KafkaRequestDefinitions,
    ) => (options: Readonly<Record<string, unknown>>) => KafkaRequest;
  };
  class Cluster {
    constructor(options: Readonly<Record<string, unknown>>);
    connect(): Promise<void>;
    disconnect(): Promise<void>;
    addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
    refreshMetadata(): Promise<void>;
    refreshMetadataIfNecessary(): Promise<void>;
    findBroker(options: { readonly nodeId: string }): Promise<Broker>;
    findControllerBroker(): Promise<Broker>;
    findTopicPartitionMetadata(topic: string): readonly { readonly partitionId: number; readonly leader: number }[];
  }
  export default Cluster;
}

declare module 'kafkajs/src/protocol/requests/index.js' {
  const requests: {
    readonly requests: Readonly<Record<'Produce' | 'Fetch' | 'ListOffsets' | 'DeleteRecords', KafkaRequestDefinitions>>;
  };
  export default requests;
}

declare module 'kafkajs/src/protocol/encoder.js' {
  class Encoder {
    writeInt8(value: number): this;
    writeBuffer(bytes: Uint8Array): this;
  }
  export default Encoder;
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
