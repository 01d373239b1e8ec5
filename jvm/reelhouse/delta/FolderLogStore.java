package reelhouse.delta;

import io.delta.storage.HDFSLogStore;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Iterator;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;

/**
 * A Delta log in a folder to which many programs may commit at once: a commit is a link, which never replaces.
 *
 * <p>Delta's own store looks whether a version is there and then renames over whatever has come meanwhile. The file is
 * on disk before its name is, so that no crash leaves half a commit.
 */
public final class FolderLogStore extends HDFSLogStore {
    public FolderLogStore(Configuration conf) {
        super(conf);
    }

    @Override
    public void write(
            org.apache.hadoop.fs.Path path, Iterator<String> actions, Boolean overwrite, Configuration conf)
            throws IOException {
        if (overwrite) {
            super.write(path, actions, true, conf);
            return;
        }
        Path place = Path.of(path.toUri().getPath());
        Path beside = scratch(place).resolve("." + place.getFileName() + "." + UUID.randomUUID() + ".tmp");
        try {
            writeDurably(beside, actions);
            Files.createLink(place, beside);
        } finally {
            Files.deleteIfExists(beside);
        }
        try (FileChannel folder = FileChannel.open(place.getParent(), StandardOpenOption.READ)) {
            folder.force(true);
        }
    }

    /** Where a lake is tidied up after a writer that was killed; beside the commit for a table of no lake. */
    private static Path scratch(Path place) {
        Path log = place.getParent();
        // <lake>/tables/movie/_delta_log
        Path lake = log.resolve("../../..").normalize();
        Path scratch = lake.resolve(".scratch");
        return Files.isDirectory(scratch) ? scratch : log;
    }

    private static void writeDurably(Path place, Iterator<String> actions) throws IOException {
        try (FileChannel file =
                        FileChannel.open(place, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
                OutputStream out = Channels.newOutputStream(file)) {
            StringBuilder lines = new StringBuilder();
            while (actions.hasNext()) {
                lines.append(actions.next()).append('\n');
            }
            out.write(lines.toString().getBytes(StandardCharsets.UTF_8));
            file.force(true);
        }
    }
}
