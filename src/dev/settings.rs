//! Settings to paste: what people, five kinds of S3 clients and three of gs:// need to reach this environment, with its paths and its port.
//!
//! Each block is what the client really takes. Those that follow AWS's variables trade the token themselves and keep
//! their sessions fresh. The SDK in Spark's S3A asks `tidegate credential-process`; restic takes variables. `tidegate
//! snippet` prints what is for other gateways.

use super::environment::Folder;
use std::path::Path;

/// SDKs insist on a role; Tidegate takes any.
pub(super) const ROLE_ARN: &str = "arn:aws:iam::000000000000:role/tidegate";
/// The name of bucket `lake` at the store.
pub(super) const STORED_LAKE: &str = "lake";

/// All blocks, for a Tidegate at `endpoint`. `program` is this one.
pub(super) fn text(endpoint: &str, folder: &Folder, program: &Path) -> String {
    let ca = quoted(&folder.ca());
    let token = quoted(&folder.token("etl"));
    let aws = format!(
        "\
# AWS CLI, boto3 and most AWS SDKs, as `etl`. Paste into a shell.
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_PROFILE
export AWS_ENDPOINT_URL_S3={endpoint}
export AWS_ENDPOINT_URL_STS={endpoint}
export AWS_CA_BUNDLE={ca}
export AWS_ROLE_ARN={ROLE_ARN}
export AWS_WEB_IDENTITY_TOKEN_FILE={token}
export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1

aws s3 cp s3://lake/raw/orders.csv -
aws s3 cp {ca} s3://lake/tmp/ca.pem
python3 -c 'import boto3; print(boto3.client(\"s3\").list_objects_v2(Bucket=\"lake\")[\"KeyCount\"])'
"
    );
    let rclone = format!(
        "\
# rclone, with the variables above. Paste the section into rclone.conf (`rclone config file` says where it is).
[tidegate]
type = s3
provider = Other
env_auth = true
endpoint = {endpoint}
region = us-east-1
no_check_bucket = true

# Then:
rclone --ca-cert {ca} lsf -R tidegate:lake
"
    );
    let program = quoted(program);
    let gateway = |name: &str| {
        let token = quoted(&folder.token(name));
        format!("--endpoint {endpoint} --ca {ca} --identity file --token-file {token}")
    };
    let people = format!(
        "\
# As a person: a browser asks who you are. Paste into a shell.
{program} login {endpoint} --ca {ca}
{program} whoami
{program} exec -- aws s3 ls s3://lake/
"
    );
    let restic = format!(
        "\
# restic, as `backup`. Paste into a shell of its own. The keys are good for an hour; then paste again.
eval \"$({program} env {gateway})\"
export RESTIC_REPOSITORY=s3:{endpoint}/backups/restic RESTIC_PASSWORD=try

restic --cacert {ca} -o s3.region=us-east-1 init
restic --cacert {ca} -o s3.region=us-east-1 backup {policies}
",
        gateway = gateway("backup"),
        policies = quoted(&folder.path("policies"))
    );
    let spark = format!(
        "\
# Spark with S3A 3.3 (AWS SDK v1), as `etl`. Paste into a shell: it makes a trust store, a profile that fetches keys
# whenever they are due, and spark-tidegate.conf. On Java 17, Spark 3.2 also needs its --add-opens.
keytool -importcert -noprompt -alias tidegate -file {ca} \\
  -keystore tidegate-trust.p12 -storetype PKCS12 -storepass changeit
cat > tidegate-profile <<'END'
[default]
credential_process = {program} credential-process {gateway}
END
export AWS_CREDENTIAL_PROFILES_FILE=\"$PWD/tidegate-profile\"
cat > spark-tidegate.conf <<END
spark.hadoop.fs.s3a.endpoint                  {endpoint}
spark.hadoop.fs.s3a.endpoint.region           us-east-1
spark.hadoop.fs.s3a.path.style.access         true
spark.hadoop.fs.s3a.aws.credentials.provider  com.amazonaws.auth.profile.ProfileCredentialsProvider
spark.driver.extraJavaOptions                 -Djavax.net.ssl.trustStore=$PWD/tidegate-trust.p12 \
-Djavax.net.ssl.trustStorePassword=changeit
spark.executor.extraJavaOptions               -Djavax.net.ssl.trustStore=$PWD/tidegate-trust.p12 \
-Djavax.net.ssl.trustStorePassword=changeit
END

# Then, for instance, df.write.parquet(\"s3a://lake/tmp/events\"). Under tmp/, because S3A renames what it writes, and
# that deletes. With a short name, because the embedded store takes no keys over 160 bytes, and S3A's are long.
spark-submit --properties-file spark-tidegate.conf job.py
",
        gateway = gateway("etl")
    );
    [people, aws, rclone, restic, spark].join("\n")
}

/// What gs:// clients need: they take the identity token as it is, and find Tidegate at the address of the API.
pub(super) fn google(endpoint: &str, folder: &Folder) -> String {
    let ca = quoted(&folder.ca());
    let token = quoted(&folder.token("etl"));
    format!(
        "
# gs:// clients, as `etl`. Paste into a shell. curl:
curl -sS --cacert {ca} -H \"Authorization: Bearer $(cat {token})\" \\
  '{endpoint}/storage/v1/b/models/o?fields=items(name,size,crc32c)'
curl -sS --cacert {ca} -H \"Authorization: Bearer $(cat {token})\" \\
  '{endpoint}/storage/v1/b/models/o/released%2Firis.json?alt=media'

# gcloud storage:
export CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE={endpoint}/storage/v1/
export CLOUDSDK_AUTH_ACCESS_TOKEN_FILE={token}
export CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE={ca} REQUESTS_CA_BUNDLE={ca}
export CLOUDSDK_STORAGE_PARALLEL_COMPOSITE_UPLOAD_ENABLED=False
gcloud storage ls -r gs://models/
gcloud storage cat gs://models/released/iris.json
gcloud storage cp {ca} gs://models/runs/ca.pem

# google-cloud-storage for Python (pip install google-cloud-storage):
REQUESTS_CA_BUNDLE={ca} python3 - {token} <<'END'
import sys
from google.cloud import storage
from google.oauth2.credentials import Credentials
token = open(sys.argv[1]).read().strip()
client = storage.Client(project=\"any\", credentials=Credentials(token), client_options={{\"api_endpoint\": \"{endpoint}\"}})
for blob in client.list_blobs(\"models\"):
    print(blob.name, blob.size, blob.crc32c)
bucket = client.bucket(\"models\")
print(bucket.blob(\"released/iris.json\").download_as_text())
bucket.blob(\"runs/hello.txt\").upload_from_string(\"hello\")
END
"
    )
}

/// A path as a word of the shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_words_of_the_shell() {
        assert_eq!(quoted(Path::new("/tmp/a-b_c/ca.pem")), "/tmp/a-b_c/ca.pem");
        assert_eq!(quoted(Path::new("/tmp/a b/ca.pem")), "'/tmp/a b/ca.pem'");
        assert_eq!(quoted(Path::new("/tmp/$(x)'y")), "'/tmp/$(x)'\\''y'");
    }
}
