//! `[secrets]`, and references to what is in secret managers.

use super::resolve::resolve;
use super::{
    AzureIdentity, Config, ConfigErrors, CredentialSource, Endpoint, IdentityToken, SecretRef, VaultAuth,
};
use std::path::Path;
use std::time::Duration;

const SAMPLE: &str = include_str!("sample.toml");
const ISSUER: &str = "[issuer]\nurl = \"https://s3.acme.example\"\nkeys = \"k\"";

fn with(secret: &str, more: &str) -> Result<Config, ConfigErrors> {
    let text = SAMPLE.replacen("env:STORE_SECRET_ACCESS_KEY", secret, 1);
    resolve(
        Path::new("/etc/tidegate/tidegate.toml"),
        &format!("{text}\n{more}"),
    )
}

fn check(secret: &str, more: &str, expected: &str) {
    let errors = with(secret, more).unwrap_err().to_string();
    assert!(errors.contains(expected), "{errors}");
    assert!(!errors.contains("hunter2"), "{errors}");
}

#[test]
fn whoever_the_machine_is_reads_secrets_unless_it_is_said() {
    let plain = with("env:A", "").unwrap();
    assert_eq!(plain.secrets.poll, Duration::from_secs(60));
    assert_eq!(plain.secrets.max_age, Duration::from_secs(90 * 86_400));
    for reference in [
        "aws-secrets-manager://tidegate/store#key",
        "gcp-secret-manager://projects/p/secrets/s/versions/latest",
        "azure-key-vault://vault/secret",
    ] {
        let config = with(reference, "").unwrap();
        assert_eq!(config.secrets, plain.secrets);
        let CredentialSource::Static(keys) = &config.targets["store"].credentials else {
            panic!("{config:?}");
        };
        assert_eq!(keys.secret_access_key.to_string(), reference);
        let places: Vec<String> = config.references().into_iter().map(|(place, _)| place).collect();
        assert_eq!(
            places,
            ["access_key_id", "secret_access_key"].map(|key| format!("targets.store.credentials.{key}"))
        );
    }
}

#[test]
fn every_table_is_resolved() {
    let config = with(
        "vault://secret/store#key",
        &format!(
            "{ISSUER}\n[secrets]\npoll = \"30s\"\nmax_age = \"30d\"\n\
             [secrets.vault]\naddress = \"https://vault.acme.example:8200\"\nnamespace = \"a/b/\"\n\
             auth = {{ kind = \"jwt\", role = \"tidegate\", audience = \"https://vault\" }}\n\
             [secrets.aws]\nregion = \"eu-central-1\"\n\
             credentials = {{ kind = \"aws-web-identity\", role_arn = \"arn:aws:iam::1:role/r\" }}\n\
             [secrets.gcp]\ncredentials = {{ kind = \"google-metadata\" }}\n\
             [secrets.azure]\nsuffix = \"vault.usgovcloudapi.net\"\n\
             credentials = {{ kind = \"azure-workload-identity\", tenant = \"t\", client_id = \"c\", token_file = \"tok\" }}"
        ),
    )
    .unwrap();
    let secrets = &config.secrets;
    assert_eq!(secrets.poll, Duration::from_secs(30));
    let vault = secrets.vault.as_ref().unwrap();
    assert_eq!(vault.namespace.as_deref(), Some("a/b"));
    let expected = VaultAuth::Login {
        mount: "jwt".into(),
        role: "tidegate".into(),
        token: IdentityToken::Own {
            audience: "https://vault".into(),
        },
    };
    assert_eq!(vault.auth, expected);
    assert!(matches!(
        secrets.aws.credentials.as_deref(),
        Some(CredentialSource::Role(role)) if &*role.role_arn == "arn:aws:iam::1:role/r"
    ));
    assert!(
        matches!(&secrets.azure.credentials, AzureIdentity::Workload { token: IdentityToken::File(file), .. }
        if file.as_path() == Path::new("/etc/tidegate/tok"))
    );
    let kubernetes = with(
        "vault://secret/store#key",
        "[secrets.vault]\naddress = \"http://127.0.0.1:8200\"\nauth = { kind = \"kubernetes\", role = \"r\" }",
    );
    assert_eq!(
        kubernetes.unwrap().secrets.vault.unwrap().address,
        Endpoint {
            tls: false,
            host: "127.0.0.1".into(),
            port: 8200
        }
    );
    let token = with(
        "env:A",
        "[secrets.vault]\naddress = \"https://v\"\nauth = { kind = \"token\", token = \"env:VAULT_TOKEN\" }",
    );
    let vault = token.unwrap().secrets.vault.unwrap();
    assert_eq!(vault.auth, VaultAuth::Token(SecretRef::Env("VAULT_TOKEN".into())));
}

// SUP-01, AUD-05
#[test]
fn mistakes_are_located_and_secrets_never_shown() {
    let place = "targets.store.credentials.secret_access_key";
    check("vault://secret/store#key", "", "there is no `[secrets.vault]`");
    check(
        "vault://secret/hunter2",
        "",
        &format!("{place} = \"vault://…\": says no `#field`"),
    );
    check(
        "vault://hunter 2/x#y",
        "",
        &format!("{place} = \"vault://…\": not \"vault://mount/path#field\""),
    );
    check(
        "gcp-secret-manager://hunter2",
        "",
        &format!("{place} = \"gcp-secret-manager://…\": not"),
    );
    check(
        "azure-key-vault://hunter2",
        "",
        &format!("{place} = \"azure-key-vault://…\": not"),
    );
    check(
        "aws-secrets-manager://hunter2 hunter2",
        "",
        &format!("{place} = \"aws-secrets-manager://…\": not"),
    );
    check(
        "hunter2",
        "",
        &format!("{place}: a secret does not belong in this file"),
    );

    check("env:A", "[secrets]\npol = \"1m\"", "did you mean `poll`?");
    check("env:A", "[secrets]\npoll = \"1ms\"", "secrets.poll");
    let vault = |lines: &str| format!("[secrets.vault]\n{lines}");
    let address = "address = \"https://v\"";
    check(
        "env:A",
        &vault("auth = { kind = \"token\", token = \"env:T\" }"),
        "secrets.vault.address: missing",
    );
    check("env:A", &vault(address), "secrets.vault.auth: missing");
    check(
        "env:A",
        &vault("address = \"http://vault.acme.example\"\nauth = { kind = \"token\", token = \"env:T\" }"),
        "secrets do not travel without TLS",
    );
    check(
        "env:A",
        &vault(&format!(
            "{address}\nauth = {{ kind = \"token\", token = \"hunter2\" }}"
        )),
        "secrets.vault.auth.token: a secret does not belong in this file",
    );
    check(
        "env:A",
        &vault(&format!(
            "{address}\nauth = {{ kind = \"token\", token = \"vault://a/b#c\" }}"
        )),
        "secret managers are not opened with secrets of secret managers",
    );
    check(
        "env:A",
        &vault(&format!("{address}\nauth = {{ kind = \"jwt\", role = \"r\" }}")),
        "there is no `[issuer]`",
    );
    check(
        "env:A",
        &vault(&format!(
            "{address}\nauth = {{ kind = \"jwt\", role = \"../r\" }}"
        )),
        "secrets.vault.auth.role = \"../r\": not such a name",
    );
    check(
        "env:A",
        &vault(&format!(
            "{address}\nauth = {{ kind = \"approle\", role = \"r\" }}"
        )),
        "expected \"token\", \"kubernetes\" or \"jwt\"",
    );
    check(
        "env:A",
        "[secrets.aws]\ncredentials = { kind = \"static\" }",
        "expected \"ambient\" or \"aws-web-identity\"",
    );
    check(
        "env:A",
        "[secrets.gcp]\nendpoint = \"http://sm.acme.example\"",
        "secrets do not travel without TLS",
    );
    check(
        "env:A",
        "[secrets.gcp]\ncredentials = { kind = \"google-workload-identity\", token_file = \"t\", attribution = \"shared\", \
         audience = \"//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q\" }",
        "secrets are read on Tidegate's own account",
    );
    check(
        "env:A",
        "[secrets.azure]\ncredentials = { kind = \"azure-workload-identity\", tenant = \"t/../u\", client_id = \"c\", token_file = \"t\" }",
        "tenant",
    );
}
