//! The threat model, item by item: each has tests with names, and `tests/golden/threats.tsv` says which.

use std::path::Path;

const THREATS: &str = include_str!("../golden/threats.tsv");

/// How many items each part of the threat model has.
const PARTS: [(&str, usize); 10] = [
    ("CLS", 11),
    ("STR", 8),
    ("AUZ", 27),
    ("LEK", 8),
    ("FLW", 10),
    ("JWT", 14),
    ("SES", 9),
    ("OID", 13),
    ("CRD", 10),
    ("GCS", 8),
];
/// Numbers that were never given.
const NEVER: [&str; 1] = ["AUZ-19"];

#[test]
fn every_item_of_the_threat_model_has_its_tests() {
    let mut sources = String::new();
    for folder in ["src", "tests"] {
        read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut sources);
    }
    let rows: Vec<Vec<&str>> = THREATS
        .lines()
        .skip(1)
        .map(|line| line.split('\t').collect())
        .collect();
    for (part, items) in PARTS {
        for item in (1..=items).map(|number| format!("{part}-{number:02}")) {
            let known = rows.iter().filter(|row| row[0] == item).count();
            let expected = usize::from(!NEVER.contains(&item.as_str()));
            assert_eq!(known, expected, "{item} in tests/golden/threats.tsv");
        }
    }
    for row in rows {
        let [item, holds, tests, note] = row[..] else {
            panic!("a row of threats.tsv has four columns: {row:?}");
        };
        assert!(
            !holds.is_empty() && (!tests.is_empty() || !note.is_empty()),
            "{item} has no test and does not say why"
        );
        for test in tests.split(' ').filter(|test| !test.is_empty()) {
            assert!(
                sources.contains(&format!("fn {test}(")),
                "the test `{test}` of {item} is gone: what it held must be held by another, whose name goes into \
                 tests/golden/threats.tsv"
            );
        }
    }
}

fn read(folder: &Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}
