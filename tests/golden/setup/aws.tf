# tidegate setup aws: bucket lake

terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 5.0" }
  }
}

resource "aws_iam_openid_connect_provider" "tidegate_lake" {
  url            = "https://s3.acme.example"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "tidegate_lake" {
  name = "tidegate"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Tidegate"
        Effect = "Allow"
        Principal = {
          Federated = "arn:aws:iam::123456789012:oidc-provider/s3.acme.example"
        }
        Action = "sts:AssumeRoleWithWebIdentity"
        Condition = {
          StringEquals = {
            "s3.acme.example:aud" = "sts.amazonaws.com"
            "s3.acme.example:sub" = "target/store"
          }
        }
      },
    ]
  })
  depends_on = [aws_iam_openid_connect_provider.tidegate_lake]
}

resource "aws_iam_role_policy" "tidegate_lake" {
  name = "tidegate-lake"
  role = aws_iam_role.tidegate_lake.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Objects"
        Effect = "Allow"
        Action = [
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
          "s3:GetObjectVersionTagging",
          "s3:PutObject",
          "s3:PutObjectAnnotation",
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
          "s3:GetAccelerateConfiguration",
          "s3:GetBucketAcl",
          "s3:GetBucketObjectLockConfiguration",
          "s3:GetBucketPolicyStatus",
          "s3:GetBucketRequestPayment",
          "s3:GetBucketTagging",
          "s3:GetBucketVersioning",
          "s3:GetEncryptionConfiguration",
        ]
        Resource = "arn:aws:s3:::acme-lake-prod"
      },
    ]
  })
}

resource "aws_s3_bucket_policy" "tidegate_lake" {
  bucket = "acme-lake-prod"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "TidegateObjectsOflake"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = "arn:aws:s3:::acme-lake-prod/*"
        Condition = {
          ArnNotEquals = {
            "aws:PrincipalArn" = "arn:aws:iam::123456789012:role/tidegate"
          }
        }
      },
      {
        Sid       = "TidegateNamesOflake"
        Effect    = "Deny"
        Principal = "*"
        Action = [
          "s3:ListBucket",
          "s3:ListBucketMultipartUploads",
          "s3:ListBucketVersions",
        ]
        Resource = "arn:aws:s3:::acme-lake-prod"
        Condition = {
          ArnNotEquals = {
            "aws:PrincipalArn" = "arn:aws:iam::123456789012:role/tidegate"
          }
        }
      },
      {
        Sid       = "TidegateTlsOnlyOflake"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource = [
          "arn:aws:s3:::acme-lake-prod",
          "arn:aws:s3:::acme-lake-prod/*",
        ]
        Condition = {
          Bool = {
            "aws:SecureTransport" = "false"
          }
        }
      },
    ]
  })
}
