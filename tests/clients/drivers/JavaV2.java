import java.net.URI;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import smfs.shaded.software.amazon.awssdk.core.sync.RequestBody;
import smfs.shaded.software.amazon.awssdk.http.apache.ApacheHttpClient;
import smfs.shaded.software.amazon.awssdk.http.auth.aws.signer.AwsV4HttpSigner;
import smfs.shaded.software.amazon.awssdk.http.auth.spi.scheme.AuthSchemeOption;
import smfs.shaded.software.amazon.awssdk.regions.Region;
import smfs.shaded.software.amazon.awssdk.services.s3.S3Client;
import smfs.shaded.software.amazon.awssdk.services.s3.S3ClientBuilder;
import smfs.shaded.software.amazon.awssdk.services.s3.auth.scheme.S3AuthSchemeParams;
import smfs.shaded.software.amazon.awssdk.services.s3.auth.scheme.S3AuthSchemeProvider;
import smfs.shaded.software.amazon.awssdk.services.s3.model.CompletedPart;
import smfs.shaded.software.amazon.awssdk.services.s3.model.Delete;
import smfs.shaded.software.amazon.awssdk.services.s3.model.HeadObjectResponse;
import smfs.shaded.software.amazon.awssdk.services.s3.model.ObjectIdentifier;
import smfs.shaded.software.amazon.awssdk.services.s3.model.S3Object;

/** The AWS SDK for Java v2, as it comes; `choice` is `signed` for signed payloads. */
public final class JavaV2 {
    /** What a caller does who wants its payloads signed, too. */
    private static final class SignedPayloads implements S3AuthSchemeProvider {
        private final S3AuthSchemeProvider usual = S3AuthSchemeProvider.defaultProvider();

        @Override
        public List<AuthSchemeOption> resolveAuthScheme(S3AuthSchemeParams parameters) {
            return usual.resolveAuthScheme(parameters).stream()
                .map(o -> o.toBuilder().putSignerProperty(AwsV4HttpSigner.PAYLOAD_SIGNING_ENABLED, true).build())
                .toList();
        }
    }

    private final Task task;
    private final S3Client s3;
    private final String bucket;

    private JavaV2(Task task) {
        this.task = task;
        this.bucket = task.get("bucket");
        S3ClientBuilder builder = S3Client.builder()
            .endpointOverride(URI.create(task.get("endpoint")))
            .region(Region.of(task.get("region")))
            .forcePathStyle(true)
            .httpClientBuilder(ApacheHttpClient.builder());
        if (task.get("choice").equals("signed")) {
            builder.authSchemeProvider(new SignedPayloads());
        }
        this.s3 = builder.build();
    }

    public static void main(String[] arguments) throws Exception {
        Task task = new Task(arguments[0]);
        new JavaV2(task).run();
        System.exit(0);
    }

    private void run() {
        task.step("put", () -> put("small.bin", "small"));
        task.step("put empty", () -> put("empty.bin", "empty"));
        task.step("put in parts", this::putInParts);
        task.step("get", () -> Task.bytes(get(null)));
        task.step("get range", () -> Task.bytes(get("bytes=" + task.get("first") + "-" + task.get("last"))));
        task.step("head", this::head);
        task.step("list keys", this::list);
        task.step("copy", this::copy);
        task.step("delete", this::delete);
        task.step("delete many", this::deleteMany);
    }

    private String put(String name, String file) {
        var answer = s3.putObject(r -> r.bucket(bucket).key(task.key(name)), task.path(file));
        return Task.etag(answer.eTag());
    }

    private String putInParts() throws Exception {
        String key = task.key("large.bin");
        byte[] content = Files.readAllBytes(task.path("large"));
        String upload = s3.createMultipartUpload(r -> r.bucket(bucket).key(key)).uploadId();
        List<CompletedPart> parts = new ArrayList<>();
        for (int start = 0; start < content.length; start += task.number("part_size")) {
            int number = parts.size() + 1;
            byte[] part = Arrays.copyOfRange(content, start, Math.min(content.length, start + task.number("part_size")));
            var answer = s3.uploadPart(
                r -> r.bucket(bucket).key(key).uploadId(upload).partNumber(number), RequestBody.fromBytes(part));
            parts.add(CompletedPart.builder().partNumber(number).eTag(answer.eTag())
                .checksumCRC32(answer.checksumCRC32()).build());
        }
        var answer = s3.completeMultipartUpload(
            r -> r.bucket(bucket).key(key).uploadId(upload).multipartUpload(m -> m.parts(parts)));
        return Task.etag(answer.eTag());
    }

    private byte[] get(String range) {
        return s3.getObjectAsBytes(r -> r.bucket(bucket).key(task.key("small.bin")).range(range)).asByteArray();
    }

    private String head() {
        HeadObjectResponse answer = s3.headObject(r -> r.bucket(bucket).key(task.key("small.bin")));
        return Task.object(answer.eTag(), answer.contentLength());
    }

    private String list() {
        var pages = s3.listObjectsV2Paginator(r -> r.bucket(bucket).prefix(task.get("prefix")).maxKeys(4));
        return Task.keys(pages.contents().stream().map(S3Object::key).toList());
    }

    private String copy() {
        var answer = s3.copyObject(r -> r.sourceBucket(bucket).sourceKey(task.key("small.bin"))
            .destinationBucket(bucket).destinationKey(task.key("copy.bin")));
        return Task.etag(answer.copyObjectResult().eTag());
    }

    private String delete() {
        s3.deleteObject(r -> r.bucket(bucket).key(task.key("going.bin")));
        return "done";
    }

    private String deleteMany() {
        List<ObjectIdentifier> keys = new ArrayList<>();
        for (int number = 1; number <= 2; number++) {
            keys.add(ObjectIdentifier.builder().key(task.key("going-" + number + ".bin")).build());
        }
        var answer = s3.deleteObjects(r -> r.bucket(bucket).delete(Delete.builder().objects(keys).build()));
        return answer.errors().isEmpty() ? "done" : "error\t" + answer.errors();
    }
}
