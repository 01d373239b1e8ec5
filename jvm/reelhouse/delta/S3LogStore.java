package reelhouse.delta;

import io.delta.storage.S3SingleDriverLogStore;
import java.io.ByteArrayOutputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.util.Arrays;
import java.util.Iterator;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSDataOutputStreamBuilder;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.s3a.AWSServiceIOException;

/**
 * A Delta log in S3 to which many programs may commit at once: a commit is a put with If-None-Match.
 *
 * <p>Delta's own store looks whether a version is there and then puts it over whatever has come meanwhile, so that of
 * two drivers one loses its commit and is told nothing. S3A must have conditional puts (hadoop-aws 3.4.2 or newer);
 * an older one refuses the option, and then nothing is committed.
 */
public final class S3LogStore extends S3SingleDriverLogStore {
    private static final String IF_ABSENT = "fs.option.create.conditional.overwrite";
    private static final int ATTEMPTS = 8;

    public S3LogStore(Configuration conf) {
        super(conf);
    }

    @Override
    public void write(Path path, Iterator<String> actions, Boolean overwrite, Configuration conf) throws IOException {
        if (overwrite) {
            super.write(path, actions, true, conf);
            return;
        }
        FileSystem files = path.getFileSystem(conf);
        byte[] body = lines(actions);
        for (int attempt = 1; ; attempt++) {
            try {
                putIfAbsent(files, path, body);
                return;
            } catch (IOException failure) {
                // What failed may be the answer alone. No two commits are alike: each holds an id of its own.
                byte[] there = contents(files, path, failure);
                if (Arrays.equals(there, body)) {
                    return;
                }
                if (there != null) {
                    throw taken(path, failure);
                }
                if (attempt == ATTEMPTS || !unsettled(failure)) {
                    throw failure;
                }
                pause(attempt);
            }
        }
    }

    private static void putIfAbsent(FileSystem files, Path path, byte[] body) throws IOException {
        FSDataOutputStream out = create(files, path);
        // Not in a try-with-resources: closing is what puts the object, and half a body must never be put.
        out.write(body);
        out.close();
    }

    @SuppressWarnings("unchecked") // `createFile` gives a builder without its types
    private static FSDataOutputStream create(FileSystem files, Path path) throws IOException {
        FSDataOutputStreamBuilder<FSDataOutputStream, ?> builder = files.createFile(path);
        try {
            return builder.overwrite(false).recursive().must(IF_ABSENT, true).build();
        } catch (IllegalArgumentException unknown) {
            throw new IOException("hadoop-aws 3.4.2 or newer is needed: an older S3A has no conditional put", unknown);
        }
    }

    private static byte[] contents(FileSystem files, Path path, IOException failure) throws IOException {
        try (FSDataInputStream in = files.open(path)) {
            return in.readAllBytes();
        } catch (FileNotFoundException absent) {
            return null;
        } catch (IOException unreadable) {
            failure.addSuppressed(unreadable);
            throw failure;
        }
    }

    /** Two conditional puts met, and S3 has let neither of them pass. */
    private static boolean unsettled(IOException failure) {
        return failure instanceof AWSServiceIOException && ((AWSServiceIOException) failure).statusCode() == 409;
    }

    private static void pause(int attempt) throws IOException {
        try {
            Thread.sleep(50L << attempt);
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
            throw new IOException("stopped while a commit waited for S3 to settle", stopped);
        }
    }

    private static FileAlreadyExistsException taken(Path path, IOException failure) {
        FileAlreadyExistsException said = new FileAlreadyExistsException(path.toString());
        said.initCause(failure);
        return said;
    }

    private static byte[] lines(Iterator<String> actions) {
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        while (actions.hasNext()) {
            body.writeBytes((actions.next() + "\n").getBytes(StandardCharsets.UTF_8));
        }
        return body.toByteArray();
    }
}
