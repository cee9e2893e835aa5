# tidegate setup minio: bucket lake

terraform {
  required_providers {
    minio = { source = "aminueza/minio", version = ">= 3.0" }
  }
}

resource "minio_iam_policy" "tidegate_lake" {
  name = "tidegate-lake"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Objects"
        Effect = "Allow"
        Action = [
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
          "s3:DeleteObjectVersion",
        ]
        Resource = "arn:aws:s3:::acme-lake-prod/*"
      },
      {
        Sid    = "Names"
        Effect = "Allow"
        Action = [
          "s3:ListBucket",
          "s3:ListBucketVersions",
        ]
        Resource = "arn:aws:s3:::acme-lake-prod"
      },
      {
        Sid    = "Bucket"
        Effect = "Allow"
        Action = [
          "s3:ListBucketMultipartUploads",
          "s3:GetBucketObjectLockConfiguration",
          "s3:GetBucketPolicyStatus",
          "s3:GetBucketTagging",
          "s3:GetBucketVersioning",
          "s3:GetEncryptionConfiguration",
        ]
        Resource = "arn:aws:s3:::acme-lake-prod"
      },
    ]
  })
}

resource "minio_iam_user" "tidegate_lake" {
  name = "tidegate-store"
}

resource "minio_iam_user_policy_attachment" "tidegate_lake" {
  user_name   = minio_iam_user.tidegate_lake.name
  policy_name = minio_iam_policy.tidegate_lake.id
}
