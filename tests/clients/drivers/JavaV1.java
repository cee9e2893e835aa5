import com.amazonaws.ClientConfiguration;
import com.amazonaws.auth.EnvironmentVariableCredentialsProvider;
import com.amazonaws.client.builder.AwsClientBuilder.EndpointConfiguration;
import com.amazonaws.services.s3.AmazonS3;
import com.amazonaws.services.s3.AmazonS3ClientBuilder;
import com.amazonaws.services.s3.model.CompleteMultipartUploadRequest;
import com.amazonaws.services.s3.model.DeleteObjectsRequest;
import com.amazonaws.services.s3.model.GetObjectRequest;
import com.amazonaws.services.s3.model.InitiateMultipartUploadRequest;
import com.amazonaws.services.s3.model.ListObjectsV2Request;
import com.amazonaws.services.s3.model.ListObjectsV2Result;
import com.amazonaws.services.s3.model.ObjectMetadata;
import com.amazonaws.services.s3.model.PartETag;
import com.amazonaws.services.s3.model.S3Object;
import com.amazonaws.services.s3.model.UploadPartRequest;
import java.util.ArrayList;
import java.util.List;

/** The AWS SDK for Java v1; `choice` is `signed` for signed payloads. */
public final class JavaV1 {
    private final Task task;
    private final AmazonS3 s3;
    private final String bucket;

    private JavaV1(Task task) {
        this.task = task;
        this.bucket = task.get("bucket");
        this.s3 = AmazonS3ClientBuilder.standard()
            .withEndpointConfiguration(new EndpointConfiguration(task.get("endpoint"), task.get("region")))
            .withPathStyleAccessEnabled(true)
            .withPayloadSigningEnabled(task.get("choice").equals("signed"))
            .withCredentials(new EnvironmentVariableCredentialsProvider())
            .withClientConfiguration(new ClientConfiguration().withMaxErrorRetry(0))
            .build();
    }

    public static void main(String[] arguments) throws Exception {
        new JavaV1(new Task(arguments[0])).run();
        System.exit(0);
    }

    private void run() {
        task.step("put", () -> put("small.bin", "small"));
        task.step("put empty", () -> put("empty.bin", "empty"));
        task.step("put in parts", this::putInParts);
        task.step("get", () -> get(new GetObjectRequest(bucket, task.key("small.bin"))));
        task.step("get range", () -> get(new GetObjectRequest(bucket, task.key("small.bin"))
            .withRange(task.number("first"), task.number("last"))));
        task.step("head", this::head);
        task.step("list keys", this::list);
        task.step("copy", () -> Task.etag(
            s3.copyObject(bucket, task.key("small.bin"), bucket, task.key("copy.bin")).getETag()));
        task.step("delete", this::delete);
        task.step("delete many", this::deleteMany);
    }

    private String put(String name, String file) {
        return Task.etag(s3.putObject(bucket, task.key(name), task.path(file).toFile()).getETag());
    }

    private String putInParts() {
        String key = task.key("large.bin");
        String upload = s3.initiateMultipartUpload(new InitiateMultipartUploadRequest(bucket, key)).getUploadId();
        List<PartETag> parts = new ArrayList<>();
        long length = task.path("large").toFile().length();
        for (long start = 0; start < length; start += task.number("part_size")) {
            UploadPartRequest part = new UploadPartRequest()
                .withBucketName(bucket).withKey(key).withUploadId(upload)
                .withPartNumber(parts.size() + 1)
                .withFile(task.path("large").toFile())
                .withFileOffset(start)
                .withPartSize(Math.min(length - start, task.number("part_size")));
            parts.add(s3.uploadPart(part).getPartETag());
        }
        return Task.etag(
            s3.completeMultipartUpload(new CompleteMultipartUploadRequest(bucket, key, upload, parts)).getETag());
    }

    private String get(GetObjectRequest request) throws Exception {
        try (S3Object object = s3.getObject(request)) {
            return Task.bytes(object.getObjectContent().readAllBytes());
        }
    }

    private String head() {
        ObjectMetadata found = s3.getObjectMetadata(bucket, task.key("small.bin"));
        return Task.object(found.getETag(), found.getContentLength());
    }

    private String list() {
        List<String> keys = new ArrayList<>();
        ListObjectsV2Request request = new ListObjectsV2Request()
            .withBucketName(bucket).withPrefix(task.get("prefix")).withMaxKeys(4);
        ListObjectsV2Result page;
        do {
            page = s3.listObjectsV2(request);
            page.getObjectSummaries().forEach(found -> keys.add(found.getKey()));
            request.setContinuationToken(page.getNextContinuationToken());
        } while (page.isTruncated());
        return Task.keys(keys);
    }

    private String delete() {
        s3.deleteObject(bucket, task.key("going.bin"));
        return "done";
    }

    private String deleteMany() {
        s3.deleteObjects(new DeleteObjectsRequest(bucket)
            .withKeys(task.key("going-1.bin"), task.key("going-2.bin")));
        return "done";
    }
}
