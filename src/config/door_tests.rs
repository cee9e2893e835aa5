//! The doors in the configuration: which tags callers may choose, and how often they may ask.

use super::resolve::resolve;
use std::path::Path;

const SAMPLE: &str = include_str!("sample.toml");

fn with(sessions: &str, more: &str) -> Result<super::Config, super::ConfigErrors> {
    let text = SAMPLE.replacen("[sessions]", &format!("[sessions]\n{sessions}"), 1);
    resolve(
        Path::new("/etc/tidegate/tidegate.toml"),
        &format!("{text}\n{more}"),
    )
}

#[test]
fn callers_choose_no_tags_and_ask_generously_unless_it_is_said() {
    let plain = with("", "").unwrap();
    assert!(plain.sessions.caller_tags.is_empty());
    assert_eq!(plain.limits.door_requests_per_minute.get(), 600);
    let said = with(
        "caller_tags = [\"audit\", \"case:id\"]",
        "[limits]\ndoor_requests_per_minute = 30",
    )
    .unwrap();
    let tags: Vec<&str> = said.sessions.caller_tags.iter().map(|tag| &**tag).collect();
    assert_eq!(tags, ["audit", "case:id"]);
    assert_eq!(said.limits.door_requests_per_minute.get(), 30);
    assert_eq!(with("", "[limits]").unwrap().limits, plain.limits);
}

#[test]
fn mistakes_about_the_doors_are_located() {
    let check = |sessions: &str, more: &str, expected: &str| {
        let errors = with(sessions, more).unwrap_err().to_string();
        assert!(errors.contains(expected), "{errors}");
    };
    check("caller_tags = \"audit\"", "", "sessions.caller_tags");
    check("caller_tags = []", "", "sessions.caller_tags: empty");
    check("caller_tags = [\"a b\"]", "", "sessions.caller_tags[0] = \"a b\"");
    check("caller_tags = [\"a\", \"a\"]", "", "listed twice");
    check(
        "",
        "[limits]\ndoor_requests_per_minute = 0",
        "limits.door_requests_per_minute = 0: out of range",
    );
    check(
        "",
        "[limits]\ndoor_requests = 1",
        "not a known key; expected one of `door_requests_per_minute`",
    );
    // What an issuer says about a caller is not for the caller to say.
    let github = "[[issuers]]\nname = \"ci\"\nissuer = \"https://ci.example.com\"\naudiences = [\"a\"]\nkind = \"workload\"\n\
                  tags = { audit = \"workflow\" }";
    check(
        "caller_tags = [\"audit\"]",
        github,
        "`audit` is filled from claims by issuer `ci`",
    );
}
