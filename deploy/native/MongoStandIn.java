import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import java.util.List;
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

    public static void main(String[] arguments) {
        var backend = arguments.length > 1 ? new H2Backend(onDisk(arguments[1])) : new MemoryBackend();
        backend.version(new Version(List.of(5, 0, 0), 13));
        var server = new MongoServer(backend);
        server.enableOplog();
        server.bind("127.0.0.1", Integer.parseInt(arguments[0]));
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        System.out.println("MongoDB stand-in started");
    }
}
