# tidegate setup aws: bucket lake
(
set -eu
dir=$(mktemp -d)
trap 'rm -r "$dir"' EXIT

# The role, and who may assume it.
cat > "$dir/trust-policy.json" <<'END'
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "Tidegate",
      "Effect": "Allow",
      "Principal": {
        "AWS": "arn:aws:iam::210987654321:role/gateway"
      },
      "Action": "sts:AssumeRole",
      "Condition": {
        "StringEquals": {
          "sts:ExternalId": "acme-7"
        }
      }
    }
  ]
}
END
aws iam get-role \
    --role-name tidegate >/dev/null 2>&1 ||
  aws iam create-role \
    --role-name tidegate \
    --assume-role-policy-document "file://$dir/trust-policy.json"
aws iam update-assume-role-policy \
    --role-name tidegate \
    --policy-document "file://$dir/trust-policy.json"

# What it may do. There is one such policy for each bucket.
cat > "$dir/role-policy.json" <<'END'
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "Objects",
      "Effect": "Allow",
      "Action": [
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:GetObjectAcl",
        "s3:GetObjectVersionAcl",
        "s3:GetObjectAnnotation",
        "s3:GetObjectVersionAnnotation",
        "s3:GetObjectAttributes",
        "s3:GetObjectVersionAttributes",
        "s3:GetObjectLegalHold",
        "s3:GetObjectRetention",
        "s3:GetObjectTagging",
        "s3:GetObjectVersionTagging"
      ],
      "Resource": "arn:aws:s3:::acme-lake-prod/teams/a/*"
    },
    {
      "Sid": "Names",
      "Effect": "Allow",
      "Action": [
        "s3:ListBucket",
        "s3:ListBucketVersions"
      ],
      "Resource": "arn:aws:s3:::acme-lake-prod",
      "Condition": {
        "StringLike": {
          "s3:prefix": "teams/a/*"
        }
      }
    },
    {
      "Sid": "Bucket",
      "Effect": "Allow",
      "Action": [
        "s3:ListBucketMultipartUploads",
        "s3:GetAccelerateConfiguration",
        "s3:GetBucketAcl",
        "s3:GetBucketObjectLockConfiguration",
        "s3:GetBucketPolicyStatus",
        "s3:GetBucketRequestPayment",
        "s3:GetBucketTagging",
        "s3:GetBucketVersioning",
        "s3:GetEncryptionConfiguration"
      ],
      "Resource": "arn:aws:s3:::acme-lake-prod"
    },
    {
      "Sid": "Key",
      "Effect": "Allow",
      "Action": "kms:Decrypt",
      "Resource": "arn:aws:kms:eu-central-1:123456789012:key/1a2b",
      "Condition": {
        "StringEquals": {
          "kms:ViaService": "s3.eu-central-1.amazonaws.com"
        },
        "StringLike": {
          "kms:EncryptionContext:aws:s3:arn": [
            "arn:aws:s3:::acme-lake-prod",
            "arn:aws:s3:::acme-lake-prod/teams/a/*"
          ]
        }
      }
    }
  ]
}
END
aws iam put-role-policy \
    --role-name tidegate \
    --policy-name tidegate-lake \
    --policy-document "file://$dir/role-policy.json"

# Nobody else gets at the objects. What else the bucket's policy says stays.
cat > "$dir/bucket-policy.json" <<'END'
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "TidegateObjectsOflake",
      "Effect": "Deny",
      "Principal": "*",
      "Action": "s3:*",
      "Resource": "arn:aws:s3:::acme-lake-prod/teams/a/*",
      "Condition": {
        "ArnNotEquals": {
          "aws:PrincipalArn": [
            "arn:aws:iam::123456789012:role/tidegate",
            "arn:aws:iam::123456789012:role/admin"
          ]
        }
      }
    },
    {
      "Sid": "TidegateNamesOflake",
      "Effect": "Deny",
      "Principal": "*",
      "Action": [
        "s3:ListBucket",
        "s3:ListBucketVersions"
      ],
      "Resource": "arn:aws:s3:::acme-lake-prod",
      "Condition": {
        "ArnNotEquals": {
          "aws:PrincipalArn": [
            "arn:aws:iam::123456789012:role/tidegate",
            "arn:aws:iam::123456789012:role/admin"
          ]
        },
        "StringLike": {
          "s3:prefix": "teams/a/*"
        }
      }
    },
    {
      "Sid": "TidegateTlsOnlyOflake",
      "Effect": "Deny",
      "Principal": "*",
      "Action": "s3:*",
      "Resource": [
        "arn:aws:s3:::acme-lake-prod",
        "arn:aws:s3:::acme-lake-prod/teams/a/*"
      ],
      "Condition": {
        "Bool": {
          "aws:SecureTransport": "false"
        }
      }
    }
  ]
}
END
if ! aws s3api get-bucket-policy \
    --bucket acme-lake-prod \
    --query Policy \
    --output text > "$dir/old-policy.json" 2>"$dir/error"; then
  grep -q NoSuchBucketPolicy "$dir/error" || { cat "$dir/error" >&2; exit 1; }
  echo '{}' > "$dir/old-policy.json"
fi
jq -s '.[0] as $old | .[1] as $new | ($new.Statement | map(.Sid)) as $ours |
      $new + {Statement: ([$old.Statement // [] | if type == "array" then .[] else . end |
        select(.Sid as $sid | $ours | index($sid) | not)] + $new.Statement)}' \
    "$dir/old-policy.json" "$dir/bucket-policy.json" > "$dir/new-policy.json"
aws s3api put-bucket-policy \
    --bucket acme-lake-prod \
    --policy "file://$dir/new-policy.json"
)
