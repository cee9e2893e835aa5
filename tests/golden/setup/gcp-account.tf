# tidegate setup gcp: bucket lake

terraform {
  required_providers {
    google = { source = "hashicorp/google", version = ">= 5.0" }
  }
}

resource "google_iam_workload_identity_pool" "tidegate_lake" {
  project                   = "acme-data"
  workload_identity_pool_id = "tidegate"
}

resource "google_iam_workload_identity_pool_provider" "tidegate_lake" {
  project                            = "acme-data"
  workload_identity_pool_id          = google_iam_workload_identity_pool.tidegate_lake.workload_identity_pool_id
  workload_identity_pool_provider_id = "tidegate"
  attribute_condition                = "assertion.sub == \"target/store\""
  attribute_mapping = {
    "google.subject" = "assertion.sub"
  }

  oidc {
    issuer_uri        = "https://s3.acme.example"
    allowed_audiences = ["https://iam.googleapis.com/x"]
  }
}

resource "google_service_account_iam_member" "tidegate_lake" {
  service_account_id = "projects/acme-data/serviceAccounts/tidegate@acme-data.iam.gserviceaccount.com"
  role               = "roles/iam.workloadIdentityUser"
  member             = "principal://iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/tidegate/subject/target/store"
}

resource "google_project_iam_custom_role" "tidegate_lake" {
  project     = "acme-data"
  role_id     = "tidegate_lake"
  title       = "Tidegate: lake"
  permissions = ["storage.buckets.get", "storage.multipartUploads.abort", "storage.multipartUploads.create", "storage.multipartUploads.list", "storage.multipartUploads.listParts", "storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list", "storage.objects.move", "storage.objects.restore", "storage.objects.setRetention", "storage.objects.update"]
}

resource "google_storage_bucket_iam_member" "tidegate_lake" {
  bucket = "acme-lake-prod"
  role   = google_project_iam_custom_role.tidegate_lake.id
  member = "serviceAccount:tidegate@acme-data.iam.gserviceaccount.com"
}

resource "google_project_iam_audit_config" "tidegate_lake" {
  project = "acme-data"
  service = "storage.googleapis.com"

  audit_log_config {
    log_type = "DATA_READ"
  }

  audit_log_config {
    log_type = "DATA_WRITE"
  }
}
