import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** What a driver is to do, and how it reports: see matrix/scripts.py. */
final class Task {
    interface Step {
        String run() throws Exception;
    }

    private final Map<String, String> settings = new HashMap<>();

    Task(String file) throws Exception {
        for (String line : Files.readAllLines(Path.of(file))) {
            int equals = line.indexOf('=');
            settings.put(line.substring(0, equals), line.substring(equals + 1));
        }
    }

    String get(String name) {
        return settings.get(name);
    }

    int number(String name) {
        return Integer.parseInt(get(name));
    }

    Path path(String name) {
        return Path.of(get(name));
    }

    String key(String name) {
        return get("prefix") + name;
    }

    void step(String operation, Step step) {
        String told;
        try {
            told = step.run();
        } catch (Exception error) {
            told = "error\t" + String.valueOf(error).replaceAll("\\s+", " ");
        }
        System.out.println(operation + "\t" + told);
    }

    static String etag(String etag) {
        return "etag\t" + etag;
    }

    static String bytes(byte[] bytes) {
        return "bytes\t" + Base64.getEncoder().encodeToString(bytes);
    }

    static String object(String etag, long size) {
        return "object\t" + etag + "\t" + size;
    }

    static String keys(List<String> keys) {
        return "keys\t" + String.join("\t", keys);
    }
}
