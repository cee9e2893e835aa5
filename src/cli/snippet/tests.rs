//! What is printed, and that the pages of `docs/clients/` say the same.

use super::*;
use crate::cli::{Cli, Command};
use crate::golden;
use clap::Parser;
use std::collections::BTreeSet;
use std::path::Path;

fn parse(line: &str) -> Args {
    match Cli::try_parse_from(line.split(' ')).unwrap().command {
        Command::Snippet(args) => args,
        other => panic!("{other:?}"),
    }
}

fn nothing() -> Environment {
    Environment::of([("HOME", "/nonexistent")])
}

fn print(line: &str) -> Result<String, String> {
    let mut out = Vec::new();
    run(&parse(line), &nothing(), &mut out, &mut Vec::new()).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn without_a_name_the_clients_are_listed_with_their_doors() {
    let list = print("tidegate snippet").unwrap();
    assert_eq!(list.lines().count(), CLIENTS.len());
    for line in list.lines() {
        assert!(line.chars().count() <= 110, "{line}");
    }
    assert!(list.contains("aws "), "{list}");
    assert!(
        list.contains("credential-process, web-identity, container, env"),
        "{list}"
    );
}

#[test]
fn every_text_is_whole_with_and_without_what_is_optional() {
    for client in &CLIENTS {
        for (door, _) in client.ways {
            let line = format!("tidegate snippet {} --door {}", client.name, door.name());
            let bare = print(&line).unwrap();
            let full = print(&format!(
                "{line} --ca /etc/ca.pem --role exporter --token-file /run/token"
            ))
            .unwrap();
            for text in [&bare, &full] {
                assert!(!text.contains("{{") && !text.contains("}}"), "{line}:\n{text}");
                assert!(text.contains("s3.acme.example"), "{line}:\n{text}");
            }
            assert!(
                !bare.contains("ca.pem") && full.contains("/etc/ca.pem"),
                "{line}:\n{full}"
            );
            // Whoever holds a service key has no token to assume a role with.
            assert_eq!(
                full.contains("exporter"),
                *door != Door::ServiceKey,
                "{line}:\n{full}"
            );
        }
    }
}

#[test]
fn values_are_filled_in() {
    let check = |line: &str, expected: &str| {
        let text = print(line).unwrap();
        assert!(text.contains(expected), "{line}: no `{expected}` in\n{text}");
    };
    check(
        "tidegate snippet aws --endpoint https://gw.example:8443/ --ca /ca.pem --identity azure-imds --role exporter",
        "credential_process = /usr/local/bin/tidegate credential-process --endpoint https://gw.example:8443 \
         --ca /ca.pem --identity azure-imds --role exporter\n",
    );
    check(
        "tidegate snippet aws --token-file /run/token --binary /opt/tidegate",
        "= /opt/tidegate credential-process --endpoint https://s3.acme.example --identity file --token-file /run/token\n",
    );
    check(
        "tidegate snippet aws",
        "/usr/local/bin/tidegate credential-process --endpoint https://s3.acme.example\n",
    );
    check(
        "tidegate snippet aws --door web-identity --role exporter",
        ":role/exporter\n",
    );
    check(
        "tidegate snippet aws --door container --role exporter",
        "'https://s3.acme.example/_tidegate/credentials?role=exporter'",
    );
    check(
        "tidegate snippet pgbackrest --endpoint https://gw.example:8443",
        "repo1-storage-port=8443\n",
    );
    check(
        "tidegate snippet s3cmd --endpoint https://gw.example:8443",
        "host_base = gw.example:8443\n",
    );
    check(
        "tidegate snippet aws --bucket raw --region eu-x --profile p",
        "aws s3 ls s3://raw/\n",
    );
}

#[test]
fn whoever_does_not_say_which_gateway_is_told_that_it_is_an_example() {
    let note = |line: &str| {
        let mut notes = Vec::new();
        run(&parse(line), &nothing(), &mut Vec::new(), &mut notes).unwrap();
        String::from_utf8(notes).unwrap()
    };
    assert!(note("tidegate snippet aws").contains("say `--endpoint` for yours"));
    assert_eq!(note("tidegate snippet aws --endpoint https://gw.example"), "");
    assert_eq!(note("tidegate snippet"), "");
}

#[test]
fn what_the_other_commands_know_of_the_gateway_is_filled_in() {
    let environment = Environment::of([
        ("TIDEGATE_ENDPOINT", "https://gw.example"),
        ("TIDEGATE_CA", "/etc/gw.pem"),
    ]);
    let check = |line: &str, expected: &str| {
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        run(&parse(line), &environment, &mut out, &mut notes).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(expected) && notes.is_empty(), "{line}:\n{text}");
    };
    let process = "credential-process --endpoint";
    check(
        "tidegate snippet aws",
        &format!("{process} https://gw.example --ca /etc/gw.pem\n"),
    );
    check(
        "tidegate snippet aws --endpoint https://b.example --ca /b.pem",
        &format!("{process} https://b.example --ca /b.pem\n"),
    );
}

#[test]
fn what_a_shell_would_read_is_refused() {
    let check = |option: &str, value: &str, culprit: &str| {
        let mut args = parse("tidegate snippet aws");
        let value = value.to_owned();
        match option {
            "endpoint" => args.endpoint = Some(value),
            "bucket" => args.bucket = Some(value),
            "profile" => args.profile = value,
            "ca" => args.ca = Some(value),
            "role" => args.role = Some(value),
            "region" => args.region = value,
            "identity" => args.identity = Some(value),
            "token-file" => args.token_file = Some(value),
            _ => args.binary = value,
        }
        let mut out = Vec::new();
        let error = run(&args, &nothing(), &mut out, &mut Vec::new())
            .unwrap_err()
            .to_string();
        assert!(error.contains(culprit), "{error}");
        assert!(out.is_empty());
    };
    for endpoint in [
        "http://gw.example",
        "gw.example",
        "https://",
        "https://gw/x",
        "https://$(id)",
        "https://a:b",
    ] {
        check("endpoint", endpoint, "`--endpoint`");
    }
    for value in ["$(id)", "a b", "a'b", "a\nb", "", "-x", "a;b", "a]"] {
        for option in ["bucket", "profile", "role", "region", "identity"] {
            check(option, value, &format!("`--{option}`"));
        }
    }
    for value in ["relative", "/a b", "/a'b", "/$(id)", "/a\nb", "/~", ""] {
        for option in ["ca", "token-file", "binary"] {
            check(option, value, &format!("`--{option}`"));
        }
    }
}

#[test]
fn doors_that_a_client_does_not_have_are_refused_with_those_that_it_has() {
    let error = print("tidegate snippet s3cmd --door web-identity").unwrap_err();
    assert_eq!(
        error,
        "s3cmd has no door `web-identity`; expected service-key, env"
    );
}

/// A command in a page, and the block that follows it.
const COMMAND: &str = "`tidegate snippet ";

#[test]
fn golden_pages_have_what_is_printed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/clients");
    let mut shown = BTreeSet::new();
    for page in std::fs::read_dir(folder).unwrap() {
        let path = page.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let written = std::fs::read_to_string(&path).unwrap();
        let page = with_printed(&written, &mut |line| {
            let args = parse(line);
            let client = CLIENTS
                .iter()
                .find(|client| Some(client.name) == args.client.as_deref())
                .unwrap();
            shown.insert((client.name, args.door.unwrap_or(client.ways[0].0).name()));
        });
        if page != written {
            golden::check(&format!("docs/clients/{name}"), &page);
        }
    }
    let all: BTreeSet<_> = CLIENTS
        .iter()
        .flat_map(|client| client.ways.iter().map(|(door, _)| (client.name, door.name())))
        .collect();
    assert_eq!(
        shown, all,
        "each text stands in a page, behind its command: a line with `tidegate snippet …` prints:"
    );
}

/// The page as it should be: the first block behind each line that ends in "`tidegate snippet …` prints:" is what it prints.
fn with_printed(page: &str, seen: &mut dyn FnMut(&str)) -> String {
    let mut out = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        let Some(command) = line
            .strip_suffix("` prints:")
            .and_then(|line| line.rsplit_once(COMMAND))
        else {
            continue;
        };
        let command = format!("tidegate snippet {}", command.1);
        seen(&command);
        let opening = lines
            .by_ref()
            .find(|line| line.starts_with("```"))
            .expect("a block follows");
        let _ = lines
            .by_ref()
            .find(|line| *line == "```")
            .expect("the block ends");
        out.push_str(&format!("\n{opening}\n{}```\n", print(&command).unwrap()));
    }
    out
}
