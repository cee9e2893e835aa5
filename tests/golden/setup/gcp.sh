# tidegate setup gcp: bucket lake
(
set -eu
dir=$(mktemp -d)
trap 'rm -r "$dir"' EXIT

# The services that trade tokens.
gcloud services enable sts.googleapis.com iamcredentials.googleapis.com \
    --project acme-data

# The pool. Use it for Tidegate alone: where subjects are principals, all of it has the role.
gcloud iam workload-identity-pools describe tidegate \
    --project acme-data \
    --location global >/dev/null 2>&1 ||
  gcloud iam workload-identity-pools create tidegate \
    --project acme-data \
    --location global \
    --display-name Tidegate

# The provider: whose tokens it takes, and which of them.
gcloud iam workload-identity-pools providers describe tidegate \
    --project acme-data \
    --location global \
    --workload-identity-pool tidegate >/dev/null 2>&1 ||
  gcloud iam workload-identity-pools providers create-oidc tidegate \
    --project acme-data \
    --location global \
    --workload-identity-pool tidegate \
    --issuer-uri https://s3.acme.example \
    --allowed-audiences https://iam.googleapis.com/x \
    --attribute-mapping google.subject=assertion.sub \
    --attribute-condition 'assertion.sub == "target/store"'
gcloud iam workload-identity-pools providers update-oidc tidegate \
    --project acme-data \
    --location global \
    --workload-identity-pool tidegate \
    --issuer-uri https://s3.acme.example \
    --allowed-audiences https://iam.googleapis.com/x \
    --attribute-mapping google.subject=assertion.sub \
    --attribute-condition 'assertion.sub == "target/store"'

# The role: the permissions of the calls that Tidegate makes there.
gcloud iam roles describe tidegate_lake \
    --project acme-data >/dev/null 2>&1 ||
  gcloud iam roles create tidegate_lake \
    --project acme-data \
    --title 'Tidegate: lake' \
    --permissions storage.buckets.get,storage.multipartUploads.abort,storage.multipartUploads.create,storage.multipartUploads.list,storage.multipartUploads.listParts,storage.objects.create,storage.objects.delete,storage.objects.get,storage.objects.list,storage.objects.move,storage.objects.restore,storage.objects.setRetention,storage.objects.update \
    --stage GA
gcloud iam roles update tidegate_lake \
    --project acme-data \
    --title 'Tidegate: lake' \
    --permissions storage.buckets.get,storage.multipartUploads.abort,storage.multipartUploads.create,storage.multipartUploads.list,storage.multipartUploads.listParts,storage.objects.create,storage.objects.delete,storage.objects.get,storage.objects.list,storage.objects.move,storage.objects.restore,storage.objects.setRetention,storage.objects.update \
    --stage GA \
    --quiet

# Who has it on the bucket. Conditions take uniform access; object ACLs end with it.
gcloud storage buckets update gs://acme-lake-prod \
    --uniform-bucket-level-access
gcloud storage buckets add-iam-policy-binding gs://acme-lake-prod \
    --member principal://iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/tidegate/subject/target/store \
    --role projects/acme-data/roles/tidegate_lake \
    --condition None

# Data access logs, which say who was behind each request. They cost what logs cost.
cat > "$dir/audit.json" <<'END'
{
  "service": "storage.googleapis.com",
  "auditLogConfigs": [
    {
      "logType": "DATA_READ"
    },
    {
      "logType": "DATA_WRITE"
    }
  ]
}
END
gcloud projects get-iam-policy acme-data \
    --format json > "$dir/policy.json"
jq --slurpfile audit "$dir/audit.json" \
    '$audit[0] as $new |
      ([.auditConfigs[]? | select(.service == $new.service)]) as $old |
      ([$old[].auditLogConfigs[]?]) as $logs |
      .auditConfigs = [.auditConfigs[]? | select(.service != $new.service)] +
        [($old[0] // {}) + $new + {auditLogConfigs: ($logs + [$new.auditLogConfigs[] |
        select(.logType as $type | $logs | map(.logType) | index($type) | not)])}]' \
    "$dir/policy.json" > "$dir/policy-new.json"
gcloud projects set-iam-policy acme-data \
    "$dir/policy-new.json" \
    --quiet
)
