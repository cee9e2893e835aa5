//! `[issuer]`: what clouds are told, and what must not be.

use super::resolve::resolve;
use std::path::Path;

const SAMPLE: &str = include_str!("sample.toml");

fn with(lines: &str) -> Result<super::Config, super::ConfigErrors> {
    let text = format!("{SAMPLE}\n[issuer]\nkeys = \"secrets/issuer-keys.toml\"\n{lines}\n");
    resolve(Path::new("/etc/tidegate/tidegate.toml"), &text)
}

#[test]
fn an_issuer_is_served_where_its_host_is() {
    let check = |url: &str, serves: bool, warning: Option<&str>| {
        let config = with(&format!("url = \"{url}\"")).unwrap();
        let issuer = config.issuer.unwrap();
        assert_eq!((&*issuer.url, issuer.serves), (url, serves));
        let warned: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
        let warned: Vec<&String> = warned.iter().filter(|text| text.contains("issuer.url")).collect();
        assert_eq!(warned.len(), usize::from(warning.is_some()), "{warned:?}");
        assert!(
            warning.is_none_or(|expected| warned[0].contains(expected)),
            "{warned:?}"
        );
    };
    check("https://s3.tidegate.test", true, None);
    check(
        "https://s3.tidegate.test:8443",
        true,
        Some("AWS takes no issuer with a port"),
    );
    check(
        "https://issuer.elsewhere.test/tidegate",
        false,
        Some("publish there what `tidegate issuer discovery` and `tidegate issuer jwks` print"),
    );
}

// What Tidegate tells clouds opens none of its own doors, whoever writes the configuration.
#[test]
fn an_issuer_whose_tokens_are_taken_cannot_be_our_own() {
    let trusted = |iss: &str| {
        format!(
            "url = \"https://s3.tidegate.test\"\n[[issuers]]\nname = \"twin\"\nissuer = \"{iss}\"\naudiences = [\"x\"]\nkind = \"workload\"\n"
        )
    };
    for iss in [
        "https://s3.tidegate.test",
        "https://s3.tidegate.test/",
        "https://S3.Tidegate.test",
        "https://s3.tidegate.test:443",
    ] {
        let errors = with(&trusted(iss)).unwrap_err().to_string();
        assert!(
            errors
                .contains("issuer.url = \"https://s3.tidegate.test\": also accepted as `[[issuers]]` `twin`"),
            "{errors}"
        );
    }
    assert!(with(&trusted("https://idp.example.com")).is_ok());
    for (url, expected) in [
        ("http://s3.tidegate.test", "not `https`"),
        ("https://s3.tidegate.test/", "ends with a slash"),
        ("https://s3.tidegate.test/a", "has a path"),
        ("https://s3.tidegate.test/?a", "issuer.url"),
    ] {
        let errors = with(&format!("url = \"{url}\"")).unwrap_err().to_string();
        assert!(errors.contains(expected), "{errors}");
    }
}
