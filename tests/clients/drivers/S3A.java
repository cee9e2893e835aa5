import java.io.InputStream;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/** Hadoop's S3A, which is what Spark, Hive and Flink store with. */
public final class S3A {
    private final Task task;
    private final FileSystem files;

    private S3A(Task task) throws Exception {
        this.task = task;
        Configuration settings = new Configuration();
        settings.set("fs.s3a.endpoint", task.get("endpoint"));
        settings.set("fs.s3a.endpoint.region", task.get("region"));
        settings.set("fs.s3a.path.style.access", "true");
        settings.set("fs.s3a.aws.credentials.provider", "com.amazonaws.auth.EnvironmentVariableCredentialsProvider");
        settings.set("fs.s3a.attempts.maximum", "1");
        settings.set("fs.s3a.multipart.size", "5M");
        settings.set("fs.s3a.multipart.threshold", "5M");
        settings.set("hadoop.tmp.dir", task.get("home") + "/hadoop");
        files = FileSystem.get(URI.create("s3a://" + task.get("bucket") + "/"), settings);
    }

    public static void main(String[] arguments) throws Exception {
        new S3A(new Task(arguments[0])).run();
        System.exit(0);
    }

    private void run() {
        task.step("put", () -> put("small.bin", "small"));
        task.step("put empty", () -> put("empty.bin", "empty"));
        task.step("put in parts", () -> put("large.bin", "large"));
        task.step("get", this::get);
        task.step("get range", this::getRange);
        task.step("head", this::head);
        task.step("list keys", this::list);
        // S3A renames by a copy and a delete of what was copied.
        task.step("copy", this::copy);
        task.step("delete", () -> delete("going.bin"));
    }

    private Path at(String name) {
        return new Path("s3a://" + task.get("bucket") + "/" + task.key(name));
    }

    private String put(String name, String file) throws Exception {
        files.copyFromLocalFile(new Path(task.path(file).toUri()), at(name));
        return "done";
    }

    private String get() throws Exception {
        try (InputStream object = files.open(at("small.bin"))) {
            return Task.bytes(object.readAllBytes());
        }
    }

    private String getRange() throws Exception {
        byte[] range = new byte[task.number("last") - task.number("first") + 1];
        try (FSDataInputStream object = files.open(at("small.bin"))) {
            object.readFully(task.number("first"), range);
        }
        return Task.bytes(range);
    }

    private String head() throws Exception {
        return Task.object("", files.getFileStatus(at("small.bin")).getLen());
    }

    private String list() throws Exception {
        String root = "s3a://" + task.get("bucket") + "/";
        List<String> keys = new ArrayList<>();
        for (FileStatus found : files.listStatus(at(""))) {
            keys.add(found.getPath().toString().substring(root.length()));
        }
        return Task.keys(keys);
    }

    private String copy() throws Exception {
        Path renamed = at("renamed.bin");
        files.copyFromLocalFile(new Path(task.path("small").toUri()), renamed);
        return files.rename(renamed, at("copy.bin")) ? "done" : "error\tit was not renamed";
    }

    private String delete(String name) throws Exception {
        return files.delete(at(name), false) ? "done" : "error\tit was not deleted";
    }
}
