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

# The keys that assume the role: a user of its own. They are written to two files, for
# `[targets.NAME.credentials]`. What is there already is kept.
umask 077
mkdir -p secrets
[ -s secrets/tidegate-store.id ] || printf %s tidegate-store > secrets/tidegate-store.id
[ -s secrets/tidegate-store.key ] || openssl rand -hex 32 | tr -d '\n' > secrets/tidegate-store.key
{ cat secrets/tidegate-store.id; echo; cat secrets/tidegate-store.key; echo; } | mc admin user add store
mc admin policy attach store tidegate-lake --user tidegate-store ||
  mc admin policy entities store --user tidegate-store | grep -q tidegate-lake
)
