//! Metadata servers that behave as documented: they refuse what the real ones refuse.

use super::*;
use crate::client::settings::Choice;
use crate::client::tests::{Answer, Fake, Seen, answer, jwt};
use serde_json::json;
use std::sync::{Arc, Mutex};

const AUDIENCE: &str = "https://s3.acme.example";

fn source(kind: &str, variables: &[(&str, &str)]) -> Source {
    let choice = Choice {
        identity: Some(kind.into()),
        ..Choice::default()
    };
    source_of(&choice, variables, |_| {})
}

fn source_of(choice: &Choice, variables: &[(&str, &str)], change: impl FnOnce(&mut Settings)) -> Source {
    let environment = Environment::of(variables.iter().copied());
    let mut settings = Settings::resolve(choice, &environment).unwrap();
    change(&mut settings);
    let clock = Clock::fixed("2026-11-20T10:00:00Z".parse().unwrap());
    Source::new(
        &settings,
        AUDIENCE.into(),
        &environment,
        &clock,
        Fetcher::trusting_also(None).unwrap(),
    )
}

fn token_for(audience: &str) -> String {
    jwt(&json!({ "iss": "https://issuer.example", "sub": "me", "aud": audience, "iat": 1, "exp": 3601 }))
}

fn host(fake: &Fake) -> &str {
    fake.url.strip_prefix("http://").unwrap()
}

/// As <https://cloud.google.com/compute/docs/metadata/overview> has it.
fn gcp(seen: &Seen) -> Answer {
    let flavor = || {
        vec![
            ("metadata-flavor", "Google".to_owned()),
            ("content-type", "text/html".to_owned()),
        ]
    };
    if seen.header("x-forwarded-for").is_some() || seen.header("metadata-flavor") != Some("Google") {
        return (
            403,
            flavor(),
            "<!DOCTYPE html>Missing Metadata-Flavor:Google header.".into(),
        );
    }
    if seen.path() != "/computeMetadata/v1/instance/service-accounts/default/identity" || seen.method != "GET"
    {
        return (404, flavor(), "<!DOCTYPE html>not found".into());
    }
    match (seen.query("audience"), seen.query("format").as_deref()) {
        (Some(audience), Some("full")) => (200, flavor(), token_for(&audience)),
        _ => (400, flavor(), "non-empty audience parameter required".into()),
    }
}

#[tokio::test]
async fn google_clouds_metadata_server_gives_a_token_for_our_audience() {
    let server = Fake::serve(gcp).await;
    let source = source("gcp-metadata", &[("GCE_METADATA_HOST", host(&server))]);
    assert_eq!(
        source.token().await.unwrap().expose_str().unwrap(),
        token_for(AUDIENCE)
    );
}

#[tokio::test]
async fn what_is_not_google_clouds_metadata_server_gives_no_identity() {
    let check = async |answer: Answer, said: &str| {
        let server = Fake::serve(move |_| answer.clone()).await;
        let error = source("gcp-metadata", &[("GCE_METADATA_HOST", host(&server))])
            .token()
            .await
            .unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert!(
            error.next().contains("metadata.google.internal"),
            "{}",
            error.next()
        );
    };
    let flavor = || vec![("metadata-flavor", "Google".to_owned())];
    // Somebody else who listens at that address.
    check((200, vec![], token_for(AUDIENCE)), "another server answered").await;
    check(
        (200, flavor(), "<html>Log in to the hotel</html>".into()),
        "not a signed JSON web token",
    )
    .await;
    check((200, flavor(), String::new()), "not a signed JSON web token").await;
    check(
        (
            302,
            vec![("location", "http://169.254.169.254/".into())],
            String::new(),
        ),
        "status 302",
    )
    .await;
    check(
        (404, flavor(), "<html>no account</html>".into()),
        "status 404: it does not say why",
    )
    .await;
}

#[tokio::test]
async fn a_metadata_server_that_is_busy_is_asked_again() {
    let times = Arc::new(Mutex::new(0));
    let server = Fake::serve(move |seen| {
        let mut times = times.lock().unwrap();
        *times += 1;
        if *times < 3 {
            (503, vec![], "starting".into())
        } else {
            gcp(seen)
        }
    })
    .await;
    source("gcp-metadata", &[("GCE_METADATA_HOST", host(&server))])
        .token()
        .await
        .unwrap();
    assert_eq!(server.seen().len(), 3);
}

/// As <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token> has it.
fn azure(seen: &Seen) -> Answer {
    let refused = |text: &str| {
        answer(
            400,
            json!({ "error": "invalid_request", "error_description": text }),
        )
    };
    if seen.header("metadata") != Some("true") || seen.header("x-forwarded-for").is_some() {
        return refused("Required metadata header not specified");
    }
    if seen.path() != "/metadata/identity/oauth2/token" {
        return answer(404, json!({ "error": "not_found" }));
    }
    if seen.query("api-version").as_deref() != Some("2018-02-01") {
        return refused("Required query variable 'api-version' is missing");
    }
    if seen.query("client_id").is_some_and(|id| id != "known") {
        return refused("Identity not found");
    }
    match seen.query("resource") {
        Some(resource) => answer(
            200,
            json!({ "access_token": token_for(&resource), "expires_in": "86399", "token_type": "Bearer" }),
        ),
        None => refused("Required query variable 'resource' is missing"),
    }
}

#[tokio::test]
async fn azures_metadata_service_gives_a_token_for_our_audience() {
    let server = Fake::serve(azure).await;
    let variables = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", server.url.as_str())];
    let token = source("azure-imds", &variables).token().await.unwrap();
    assert_eq!(token.expose_str().unwrap(), token_for(AUDIENCE));
    let choice = Choice {
        identity: Some("azure-imds".into()),
        ..Choice::default()
    };
    let named = |id: &str| {
        source_of(&choice, &variables, |settings| {
            settings.azure_client_id = Some(id.into())
        })
    };
    named("known").token().await.unwrap();
    let error = named("unknown").token().await.unwrap_err();
    assert!(
        error.to_string().ends_with("status 400: Identity not found"),
        "{error}"
    );
}

#[tokio::test]
async fn an_app_of_azure_asks_its_own_endpoint() {
    let server = Fake::serve(|seen| {
        if seen.header("x-identity-header") != Some("app-secret")
            || seen.query("api-version").as_deref() != Some("2019-08-01")
        {
            return answer(401, json!({ "error_description": "unauthorized" }));
        }
        answer(
            200,
            json!({ "access_token": token_for(&seen.query("resource").unwrap()), "expires_on": "1" }),
        )
    })
    .await;
    let endpoint = format!("{}/msi/token", server.url);
    let variables = [
        ("IDENTITY_ENDPOINT", endpoint.as_str()),
        ("IDENTITY_HEADER", "app-secret"),
    ];
    source("azure-imds", &variables).token().await.unwrap();
    let variables = [
        ("IDENTITY_ENDPOINT", endpoint.as_str()),
        ("IDENTITY_HEADER", "other"),
    ];
    assert!(source("azure-imds", &variables).token().await.is_err());
}

#[tokio::test]
async fn a_job_of_github_asks_with_its_own_token() {
    let server = Fake::serve(|seen| {
        if seen.header("authorization") != Some("Bearer job-token") {
            return answer(401, json!({ "message": "bad credentials" }));
        }
        assert_eq!(seen.query("api-version").as_deref(), Some("2.0"));
        answer(
            200,
            json!({ "count": 1, "value": token_for(&seen.query("audience").unwrap()) }),
        )
    })
    .await;
    let url = format!("{}/idtoken?api-version=2.0", server.url);
    let variables = [
        ("ACTIONS_ID_TOKEN_REQUEST_URL", url.as_str()),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "job-token"),
    ];
    let token = source("github", &variables).token().await.unwrap();
    assert_eq!(token.expose_str().unwrap(), token_for(AUDIENCE));
    let error = source("github", &[]).token().await.unwrap_err();
    assert!(
        error.to_string().contains("permissions: id-token: write"),
        "{error}"
    );
}

#[tokio::test]
async fn a_token_in_a_file_is_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    for kind in ["file", "kubernetes"] {
        let choice = Choice {
            identity: Some(kind.into()),
            token_file: Some(path.clone()),
            ..Choice::default()
        };
        let source = source_of(&choice, &[], |_| {});
        for audience in ["one", "two"] {
            // Editors and shells leave a line end.
            std::fs::write(&path, token_for(audience) + "\n").unwrap();
            assert_eq!(
                source.token().await.unwrap().expose_str().unwrap(),
                token_for(audience)
            );
        }
        for wrong in ["", "hello", &"a.b.c".repeat(10_000)] {
            std::fs::write(&path, wrong).unwrap();
            assert!(matches!(source.token().await, Err(IdentityError::Token { .. })));
        }
        std::fs::remove_file(&path).unwrap();
        let error = source.token().await.unwrap_err();
        assert_eq!(error.next(), format!("ls -l {}", path.display()));
    }
    let error = source("file", &[]).token().await.unwrap_err();
    assert!(
        matches!(
            error,
            IdentityError::Missing {
                name: "TIDEGATE_TOKEN_FILE",
                ..
            }
        ),
        "{error:?}"
    );
    let sdks = [("AWS_WEB_IDENTITY_TOKEN_FILE", path.to_str().unwrap())];
    std::fs::write(&path, token_for("three")).unwrap();
    source("file", &sdks).token().await.unwrap();
}

/// STS, which says the key that signed, and the metadata service of EC2 in its second version.
fn aws(seen: &Seen) -> Answer {
    let keys = |id: &str| {
        answer(
            200,
            json!({ "Code": "Success", "AccessKeyId": id, "SecretAccessKey": "secret", "Token": "session", "Expiration": "2026-11-20T16:00:00Z" }),
        )
    };
    let session = || seen.header("x-aws-ec2-metadata-token") == Some("imds-session");
    match (seen.method.as_str(), seen.path()) {
        ("POST", "/") => {
            let authorization = seen.header("authorization").unwrap_or_default();
            let signer = authorization.split(['=', '/']).nth(1).unwrap_or_default();
            assert!(
                authorization.starts_with("AWS4-HMAC-SHA256 Credential="),
                "{authorization}"
            );
            assert!(
                authorization.contains("/eu-west-2/sts/aws4_request"),
                "{authorization}"
            );
            assert_eq!(seen.form("Action").as_deref(), Some("GetWebIdentityToken"));
            if signer == "ASIAPOOR" {
                let xml = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized</Message></Error></ErrorResponse>";
                return (403, vec![("content-type", "text/xml".into())], xml.into());
            }
            let token = jwt(&json!({ "iss": "aws", "sub": signer, "aud": seen.form("Audience.member.1") }));
            let xml = format!(
                "<GetWebIdentityTokenResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetWebIdentityTokenResult>\
                 <WebIdentityToken>{token}</WebIdentityToken><Expiration>2026-11-20T11:00:00Z</Expiration>\
                 </GetWebIdentityTokenResult></GetWebIdentityTokenResponse>"
            );
            (200, vec![("content-type", "text/xml".into())], xml)
        }
        ("PUT", "/latest/api/token") if seen.header("x-aws-ec2-metadata-token-ttl-seconds").is_some() => {
            (200, vec![], "imds-session".into())
        }
        // Without a session the second version refuses everything.
        ("GET", path) if path.starts_with("/latest/") && !session() => (401, vec![], String::new()),
        ("GET", "/latest/meta-data/iam/security-credentials/") => (200, vec![], "worker-role".into()),
        ("GET", "/latest/meta-data/iam/security-credentials/worker-role") => keys("ASIAINSTANCE"),
        ("GET", "/latest/meta-data/placement/region") => (200, vec![], "eu-west-2".into()),
        ("GET", "/container") if seen.header("authorization") == Some("container-token") => {
            keys("ASIACONTAINER")
        }
        _ => answer(404, json!({ "message": "not found" })),
    }
}

async fn aws_subject(server: &Fake, variables: &[(&str, &str)]) -> Result<String, IdentityError> {
    let choice = Choice {
        identity: Some("aws".into()),
        ..Choice::default()
    };
    let source = source_of(&choice, variables, |settings| {
        settings.aws_sts_endpoint = Some(server.url.clone())
    });
    let token = source.token().await?;
    let claims = Claims::of(&token).unwrap();
    assert_eq!(claims.text("aud"), Some(AUDIENCE));
    Ok(claims.text("sub").unwrap().to_owned())
}

#[tokio::test]
async fn aws_signs_a_token_for_whoever_has_keys() {
    let server = Fake::serve(aws).await;
    let region = ("AWS_REGION", "eu-west-2");
    let keys = [
        region,
        ("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    assert_eq!(aws_subject(&server, &keys).await.unwrap(), "AKIAENVIRONMENT");
    let url = format!("{}/container", server.url);
    let container = [
        region,
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "container-token"),
    ];
    assert_eq!(aws_subject(&server, &container).await.unwrap(), "ASIACONTAINER");
    // The region is the instance's own.
    let instance = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url.as_str())];
    assert_eq!(aws_subject(&server, &instance).await.unwrap(), "ASIAINSTANCE");
}

#[tokio::test]
async fn what_aws_refuses_is_told_with_what_to_do() {
    let server = Fake::serve(aws).await;
    let keys = [
        ("AWS_REGION", "eu-west-2"),
        ("AWS_ACCESS_KEY_ID", "ASIAPOOR"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    let error = aws_subject(&server, &keys).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("AccessDenied: not authorized; the role needs `sts:GetWebIdentityToken`"),
        "{error}"
    );
    let nothing = [("AWS_EC2_METADATA_DISABLED", "true")];
    assert!(matches!(
        aws_subject(&server, &nothing).await,
        Err(IdentityError::Missing { .. })
    ));
    // Keys are fetched by plain HTTP from this machine and from AWS's own addresses alone.
    let elsewhere = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://keys.example/")];
    assert!(matches!(
        aws_subject(&server, &elsewhere).await,
        Err(IdentityError::Variable { .. })
    ));
}

#[tokio::test]
async fn whoever_is_somebody_else_has_other_keys() {
    let inputs = async |kind: &str, variables: &[(&str, &str)]| {
        let choice = Choice {
            identity: Some(kind.into()),
            ..Choice::default()
        };
        let environment = Environment::of(variables.iter().copied());
        fingerprint(&Settings::resolve(&choice, &environment).unwrap(), &environment)
            .await
            .unwrap()
    };
    let differ = async |kind: &str, name: &str| {
        assert_ne!(
            inputs(kind, &[(name, "one")]).await,
            inputs(kind, &[(name, "two")]).await,
            "{kind} {name}"
        );
    };
    differ("gcp-metadata", "GCE_METADATA_HOST").await;
    differ("azure-imds", "IDENTITY_ENDPOINT").await;
    differ("aws", "AWS_ACCESS_KEY_ID").await;
    differ("aws", "AWS_CONTAINER_AUTHORIZATION_TOKEN").await;
    // A runner that is kept has another job each time.
    differ("github", "ACTIONS_ID_TOKEN_REQUEST_TOKEN").await;
    differ("github", "GITHUB_RUN_ID").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let of_file = async |token: String| {
        std::fs::write(&path, token).unwrap();
        inputs("file", &[("TIDEGATE_TOKEN_FILE", path.to_str().unwrap())]).await
    };
    let token = |subject: &str, issued: u64| jwt(&json!({ "iss": "i", "sub": subject, "iat": issued }));
    let first = of_file(token("a", 1)).await;
    assert_eq!(first, of_file(token("a", 2)).await);
    assert_ne!(first, of_file(token("b", 1)).await);
}
