import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import java.util.List;
import java.util.Set;
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

    private static final class OnDisk extends H2Backend {
        private OnDisk(MVStore store) {
            super(store);
        }

        @Override
        public Document handleMessage(MongoMessage message) {
            return answer(message, super::handleMessage);
        }
    }

    private static final class InMemory extends MemoryBackend {
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
