//! Roles in the configuration.

use super::resolve::resolve;
use std::path::Path;

const SAMPLE: &str = include_str!("sample.toml");

fn with(more: &str) -> Result<super::Config, super::ConfigErrors> {
    resolve(
        Path::new("/etc/tidegate/tidegate.toml"),
        &format!("{SAMPLE}\n{more}"),
    )
}

#[test]
fn a_role_has_a_trust_policy_of_its_own() {
    let config =
        with("[[roles]]\nname = \"exporter\"\n[[roles]]\nname = \"importer\"\ntrust = \"trust/in.cedar\"")
            .unwrap();
    let trusts = config.roles.values().map(|role| role.trust.to_str().unwrap());
    assert_eq!(
        trusts.collect::<Vec<_>>(),
        [
            "/etc/tidegate/policies/roles/exporter.cedar",
            "/etc/tidegate/trust/in.cedar"
        ]
    );
    assert!(with("").unwrap().roles.is_empty());
}

#[test]
fn mistakes_of_roles_are_located() {
    let check = |more: &str, expected: &str| {
        let errors = with(more).unwrap_err().to_string();
        assert!(errors.contains(expected), "{errors}");
    };
    check("[[roles]]", "roles[0].name: missing");
    check("[[roles]]\nname = \"Exporter\"", "roles[0].name = \"Exporter\"");
    check("[[roles]]\nname = \"a\"\ntrusts = \"b\"", "did you mean `trust`?");
    check(
        "[[roles]]\nname = \"a\"\n[[roles]]\nname = \"a\"",
        "roles[1].name = \"a\": already used",
    );
    check("[roles.a]", "roles: a table, not a list of tables");
}
