import java.io.InputStream;
import java.net.URI;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/** Hadoop's S3A with its assumed-role provider. usage: AssumedRole ENDPOINT REGION ROLE_ARN URI */
public final class AssumedRole {
    public static void main(String[] arguments) throws Exception {
        Configuration settings = new Configuration();
        settings.set("fs.s3a.endpoint", arguments[0]);
        settings.set("fs.s3a.endpoint.region", arguments[1]);
        settings.set("fs.s3a.path.style.access", "true");
        settings.set("fs.s3a.aws.credentials.provider", "org.apache.hadoop.fs.s3a.auth.AssumedRoleCredentialProvider");
        settings.set("fs.s3a.assumed.role.credentials.provider", "com.amazonaws.auth.EnvironmentVariableCredentialsProvider");
        settings.set("fs.s3a.assumed.role.arn", arguments[2]);
        settings.set("fs.s3a.assumed.role.sts.endpoint", arguments[0].replaceFirst("^https://", ""));
        settings.set("fs.s3a.assumed.role.sts.endpoint.region", arguments[1]);
        settings.set("fs.s3a.assumed.role.session.duration", "30m");
        Path path = new Path(URI.create(arguments[3]));
        try (FileSystem files = FileSystem.newInstance(path.toUri(), settings); InputStream object = files.open(path)) {
            System.out.println(new String(object.readAllBytes()));
        }
        System.exit(0);
    }
}
