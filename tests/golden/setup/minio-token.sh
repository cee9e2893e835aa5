# tidegate setup minio: bucket lake
(
set -eu
dir=$(mktemp -d)
trap 'rm -r "$dir"' EXIT

# What Tidegate may do.
cat > "$dir/policy.json" <<'END'
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "Objects",
      "Effect": "Allow",
      "Action": [
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:GetObjectAttributes",
        "s3:GetObjectVersionAttributes",
        "s3:GetObjectLegalHold",
        "s3:GetObjectRetention",
        "s3:GetObjectTagging",
        "s3:GetObjectVersionTagging",
        "s3:PutObject",
        "s3:PutObjectLegalHold",
        "s3:PutObjectRetention",
        "s3:PutObjectTagging",
        "s3:PutObjectVersionTagging",
        "s3:DeleteObjectTagging",
        "s3:DeleteObjectVersionTagging",
        "s3:RestoreObject",
        "s3:AbortMultipartUpload",
        "s3:ListMultipartUploadParts",
        "s3:DeleteObject",
        "s3:DeleteObjectVersion"
      ],
      "Resource": "arn:aws:s3:::acme-lake-prod/*"
    },
    {
      "Sid": "Names",
      "Effect": "Allow",
      "Action": [
        "s3:ListBucket",
        "s3:ListBucketVersions"
      ],
      "Resource": "arn:aws:s3:::acme-lake-prod"
    },
    {
      "Sid": "Bucket",
      "Effect": "Allow",
      "Action": [
        "s3:ListBucketMultipartUploads",
        "s3:GetBucketObjectLockConfiguration",
        "s3:GetBucketPolicyStatus",
        "s3:GetBucketTagging",
        "s3:GetBucketVersioning",
        "s3:GetEncryptionConfiguration"
      ],
      "Resource": "arn:aws:s3:::acme-lake-prod"
    }
  ]
}
END
mc admin policy create store tidegate-lake "$dir/policy.json"

# The identity provider; MinIO restarts, and says the ARN of the role.
mc idp openid info store tidegate >/dev/null 2>&1 ||
  mc idp openid add store tidegate \
    config_url=https://s3.acme.example/.well-known/openid-configuration \
    client_id=minio-store \
    role_policy=tidegate-lake
mc idp openid update store tidegate \
    config_url=https://s3.acme.example/.well-known/openid-configuration \
    client_id=minio-store \
    role_policy=tidegate-lake
mc admin service restart store
mc idp openid info store tidegate
)
