import de.bwaldvogel.mongo.MongoCollection;
import de.bwaldvogel.mongo.MongoDatabase;
import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.AbstractUniqueIndex;
import de.bwaldvogel.mongo.backend.Cursor;
import de.bwaldvogel.mongo.backend.Index;
import de.bwaldvogel.mongo.backend.IndexKey;
import de.bwaldvogel.mongo.backend.KeyValue;
import de.bwaldvogel.mongo.backend.ValueComparator;
import de.bwaldvogel.mongo.backend.aggregation.Aggregation;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.backend.h2.H2Database;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import de.bwaldvogel.mongo.backend.memory.MemoryDatabase;
import de.bwaldvogel.mongo.bson.BinData;
import de.bwaldvogel.mongo.bson.BsonTimestamp;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.MongoServerError;
import de.bwaldvogel.mongo.oplog.Oplog;
import de.bwaldvogel.mongo.oplog.OplogPosition;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import org.h2.mvstore.MVStore;

/**
 * Stands in for MongoDB where there is no mongod: mongo-java-server, kept on disk by H2. Arguments: the port, the file; without a file it
 * keeps everything in memory, which costs a tenth of the time: H2 serialises two keys for each comparison of them.
 *
 * It reports wire version 8 and today's driver wants 9; 13 is that of MongoDB 5.0, which it comes closest to.
 * SIGTERM writes everything to disk; kill -9 may lose the last second.
 */
final class MongoStandIn {
    private record Version(List<Integer> getVersionArray, int getWireVersion) implements MongoVersion {
        @Override
        public String toVersionString() {
            return "5.0.0";
        }
    }

    /** H2 frees what is a few commits old although somebody still reads it: a cursor over many documents then fails with "Chunk not found". */
    private static MVStore onDisk(String file) {
        var store = new MVStore.Builder().fileName(file).open();
        store.setVersionsToKeep(100);
        return store;
    }

    /** What touches no document. The driver asks it over and over, and takes a server that is slow to answer for dead. */
    private static final Set<String> untouching = Set.of("hello", "ismaster", "isMaster", "ping");

    /**
     * One command at a time, and its answer apart from what is stored. The server changes documents in place, field by field, also while another thread sends them: one in
     * three thousand reads beside writes had the value of one moment and the bookkeeping of another, which MongoDB never does.
     */
    private static synchronized Document answerAlone(MongoMessage message, Function<MongoMessage, Document> answer) {
        return answer.apply(message).cloneDeeply();
    }

    private static Document answer(MongoMessage message, Function<MongoMessage, Document> answer) {
        var command = message.getDocument().keySet().iterator().next();
        return untouching.contains(command) ? answer.apply(message) : answerAlone(message, answer);
    }

    /**
     * An oplog that ends somewhere, as MongoDB's does. The server keeps every operation for ever, and reads all of them for each look into a change stream: a day's work would fill the disk, and make each look
     * slower than the one before. So it has the latest operations, and only those on mirrors, since nobody watches anything else. A stream that is to go on where nothing is left any more is told so.
     */
    private static final class ShortOplog implements Oplog {
        private static final int operationsMax = 2_000;
        private static final long bytesMax = 64L << 20;
        private static final int operationsBetweenTrims = 64;

        private final Oplog oplog;
        private final MongoCollection<?> operations;
        private int sinceTrim;
        private BsonTimestamp trimmedUpTo;

        private ShortOplog(Oplog oplog, MongoCollection<?> operations) {
            this.oplog = oplog;
            this.operations = operations;
        }

        /** About as many bytes as it takes. */
        private static long bytesOf(Object value) {
            if (value instanceof Document document) return 16 + document.values().stream().mapToLong(ShortOplog::bytesOf).sum();
            if (value instanceof Collection<?> list) return 16 + list.stream().mapToLong(ShortOplog::bytesOf).sum();
            if (value instanceof byte[] bytes) return bytes.length;
            if (value instanceof BinData binary) return binary.getData().length;
            return value instanceof String text ? text.length() : 16;
        }

        private static boolean isWatched(String namespace) {
            return namespace.endsWith(".mirrors");
        }

        private void trim() {
            if (++sinceTrim < operationsBetweenTrims) return;
            sinceTrim = 0;
            Comparator<Document> byTime = Comparator.comparing(operation -> (BsonTimestamp) operation.get("ts"));
            var latestFirst = operations.queryAllAsStream().sorted(byTime.reversed()).toList();
            long bytes = 0;
            for (int i = 0; i < latestFirst.size(); i++) {
                bytes += bytesOf(latestFirst.get(i));
                if (i < operationsMax && bytes <= bytesMax) continue;
                trimmedUpTo = (BsonTimestamp) latestFirst.get(i).get("ts");
                operations.deleteDocuments(new Document("ts", new Document("$lte", trimmedUpTo)), 0);
                return;
            }
        }

        @Override
        public void handleInsert(String namespace, List<Document> documents) {
            if (!isWatched(namespace)) return;
            oplog.handleInsert(namespace, documents);
            trim();
        }

        @Override
        public void handleUpdate(String namespace, Document selector, Document query, List<Object> ids) {
            if (!isWatched(namespace)) return;
            oplog.handleUpdate(namespace, selector, query, ids);
            trim();
        }

        @Override
        public void handleDelete(String namespace, Document query, List<Object> ids) {
            if (!isWatched(namespace)) return;
            oplog.handleDelete(namespace, query, ids);
            trim();
        }

        @Override
        public void handleDropCollection(String namespace) {
            oplog.handleDropCollection(namespace);
        }

        private OplogPosition startOf(Document changeStream) {
            for (var field : List.of("startAfter", "resumeAfter"))
                if (changeStream.get(field) instanceof Document token) return OplogPosition.fromDocument(token);
            return changeStream.get("startAtOperationTime") instanceof BsonTimestamp time ? new OplogPosition(time) : null;
        }

        @Override
        public Cursor createCursor(Document changeStream, String namespace, Aggregation aggregation) {
            var start = startOf(changeStream);
            if (start != null && trimmedUpTo != null && new OplogPosition(trimmedUpTo).isAfter(start))
                throw new MongoServerError(286, "ChangeStreamHistoryLost", "the resume point may no longer be in the oplog");
            return oplog.createCursor(changeStream, namespace, aggregation);
        }
    }

    /**
     * The ids of a collection in their order, as MongoDB has them. The server finds a document by its id alone; for a range of ids, or an id and another condition, it reads the whole collection. A document is read by
     * such a range: with fifty thousand segments of all documents that took a tenth of a second. It is in memory also where the documents are on disk, and filled when a collection is opened.
     */
    private static final class OrderedIds<P> extends AbstractUniqueIndex<P> {
        private static final Set<String> bounds = Set.of("$gt", "$gte", "$lt", "$lte");

        private final TreeMap<Object, P> positions = new TreeMap<>(ValueComparator.asc());

        private OrderedIds(String name, List<IndexKey> keys, boolean isSparse) {
            super(name, keys, isSparse);
        }

        static boolean isFor(List<IndexKey> keys) {
            return keys.size() == 1 && keys.get(0).getKey().equals("_id");
        }

        private static boolean isRange(Object id) {
            return id instanceof Document range && !range.isEmpty() && bounds.containsAll(range.keySet());
        }

        private static Document onlyId(Document query) {
            return new Document("_id", query.get("_id"));
        }

        /** The server matches what is found with the whole query. */
        @Override
        public synchronized boolean canHandle(Document query) {
            return query.containsKey("_id") && (isRange(query.get("_id")) || super.canHandle(onlyId(query)));
        }

        @Override
        public synchronized Iterable<P> getPositions(Document query) {
            if (!isRange(query.get("_id"))) return super.getPositions(onlyId(query));
            // A copy, since whoever deletes what was found changes what is iterated.
            return List.copyOf(within((Document) query.get("_id")).values());
        }

        private Map<Object, P> within(Document range) {
            var from = positions.firstEntry();
            var to = positions.lastEntry();
            for (var bound : range.entrySet()) {
                var id = bound.getValue();
                switch (bound.getKey()) {
                    case "$gt" -> from = furthest(from, positions.higherEntry(id), 1);
                    case "$gte" -> from = furthest(from, positions.ceilingEntry(id), 1);
                    case "$lt" -> to = furthest(to, positions.lowerEntry(id), -1);
                    default -> to = furthest(to, positions.floorEntry(id), -1);
                }
            }
            if (from == null || to == null || compare(from, to) > 0) return Map.of();
            return positions.subMap(from.getKey(), true, to.getKey(), true);
        }

        private int compare(Map.Entry<Object, P> one, Map.Entry<Object, P> other) {
            return positions.comparator().compare(one.getKey(), other.getKey());
        }

        /** Nothing where one of the two is nothing. */
        private Map.Entry<Object, P> furthest(Map.Entry<Object, P> one, Map.Entry<Object, P> other, int direction) {
            if (one == null || other == null) return null;
            return compare(one, other) * direction > 0 ? one : other;
        }

        @Override
        protected P getPosition(KeyValue id) {
            return positions.get(id.get(0));
        }

        @Override
        protected boolean putKeyPosition(KeyValue id, P position) {
            return positions.putIfAbsent(id.get(0), position) == null;
        }

        @Override
        protected P removeDocument(KeyValue id) {
            return positions.remove(id.get(0));
        }

        @Override
        protected Iterable<Map.Entry<KeyValue, P>> getIterable() {
            return positions.entrySet().stream().map(entry -> Map.entry(new KeyValue(entry.getKey()), entry.getValue())).toList();
        }

        @Override
        public long getCount() {
            return positions.size();
        }

        @Override
        public long getDataSize() {
            return 0;
        }
    }

    private static final class OnDisk extends H2Backend {
        private OnDisk(MVStore store) {
            super(store);
        }

        @Override
        protected MongoDatabase openOrCreateDatabase(String name) {
            return new H2Database(name, getMvStore(), getCursorRegistry()) {
                @Override
                protected Index<Object> openOrCreateUniqueIndex(String collection, String index, List<IndexKey> keys, boolean isSparse) {
                    return OrderedIds.isFor(keys) ? new OrderedIds<>(index, keys, isSparse) : super.openOrCreateUniqueIndex(collection, index, keys, isSparse);
                }
            };
        }

        @Override
        protected Oplog createOplog() {
            return new ShortOplog(super.createOplog(), resolveDatabase("local").resolveCollection("oplog.rs", true));
        }

        @Override
        public Document handleMessage(MongoMessage message) {
            return answer(message, super::handleMessage);
        }
    }

    private static final class InMemory extends MemoryBackend {
        @Override
        public MemoryDatabase openOrCreateDatabase(String name) {
            return new MemoryDatabase(name, getCursorRegistry()) {
                @Override
                protected Index<Integer> openOrCreateUniqueIndex(String collection, String index, List<IndexKey> keys, boolean isSparse) {
                    return OrderedIds.isFor(keys) ? new OrderedIds<>(index, keys, isSparse) : super.openOrCreateUniqueIndex(collection, index, keys, isSparse);
                }
            };
        }

        @Override
        protected Oplog createOplog() {
            return new ShortOplog(super.createOplog(), resolveDatabase("local").resolveCollection("oplog.rs", true));
        }

        @Override
        public Document handleMessage(MongoMessage message) {
            return answer(message, super::handleMessage);
        }
    }

    public static void main(String[] arguments) {
        var backend = arguments.length > 1 ? new OnDisk(onDisk(arguments[1])) : new InMemory();
        backend.version(new Version(List.of(5, 0, 0), 13));
        var server = new MongoServer(backend);
        server.enableOplog();
        server.bind("127.0.0.1", Integer.parseInt(arguments[0]));
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        System.out.println("MongoDB stand-in started");
    }
}
