# tidegate setup aws: bucket lake

terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 5.0" }
  }
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
          AWS = "arn:aws:iam::210987654321:role/gateway"
        }
        Action = "sts:AssumeRole"
        Condition = {
          StringEquals = {
            "sts:ExternalId" = "acme-7"
          }
        }
      },
    ]
  })
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
        ]
        Resource = "arn:aws:s3:::acme-lake-prod/teams/a/*"
      },
      {
        Sid    = "Names"
        Effect = "Allow"
        Action = [
          "s3:ListBucket",
          "s3:ListBucketVersions",
        ]
        Resource = "arn:aws:s3:::acme-lake-prod"
        Condition = {
          StringLike = {
            "s3:prefix" = "teams/a/*"
          }
        }
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
      {
        Sid      = "Key"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = "arn:aws:kms:eu-central-1:123456789012:key/1a2b"
        Condition = {
          StringEquals = {
            "kms:ViaService" = "s3.eu-central-1.amazonaws.com"
          }
          StringLike = {
            "kms:EncryptionContext:aws:s3:arn" = [
              "arn:aws:s3:::acme-lake-prod",
              "arn:aws:s3:::acme-lake-prod/teams/a/*",
            ]
          }
        }
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
        Resource  = "arn:aws:s3:::acme-lake-prod/teams/a/*"
        Condition = {
          ArnNotEquals = {
            "aws:PrincipalArn" = [
              "arn:aws:iam::123456789012:role/tidegate",
              "arn:aws:iam::123456789012:role/admin",
            ]
          }
        }
      },
      {
        Sid       = "TidegateNamesOflake"
        Effect    = "Deny"
        Principal = "*"
        Action = [
          "s3:ListBucket",
          "s3:ListBucketVersions",
        ]
        Resource = "arn:aws:s3:::acme-lake-prod"
        Condition = {
          ArnNotEquals = {
            "aws:PrincipalArn" = [
              "arn:aws:iam::123456789012:role/tidegate",
              "arn:aws:iam::123456789012:role/admin",
            ]
          }
          StringLike = {
            "s3:prefix" = "teams/a/*"
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
          "arn:aws:s3:::acme-lake-prod/teams/a/*",
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
