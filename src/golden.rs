//! Golden files: what the code says, written down where an auditor reads it and a reviewer sees each change.
//!
//! They are made from the code and compared with what is committed, so that none can be changed without the other.

use std::path::Path;

/// Set to `write`, the tests of golden files write them instead of comparing them.
const REGENERATE: &str = "TIDEGATE_GOLDEN";

/// Compares `text` with a committed file, whose path is below the root of the project.
pub(crate) fn check(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    #[allow(clippy::disallowed_methods, reason = "it is for whoever runs the tests")]
    let regenerate = std::env::var(REGENERATE).is_ok_and(|value| value == "write");
    if regenerate {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    if committed == text {
        return;
    }
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (old, new) = (lines(&committed), lines(text));
    let gone = old
        .iter()
        .filter(|line| !new.contains(line))
        .map(|line| format!("- {line}\n"));
    let come = new
        .iter()
        .filter(|line| !old.contains(line))
        .map(|line| format!("+ {line}\n"));
    panic!(
        "`{file}` is not what the code says:\n{}{}\
         If this is meant: run `{REGENERATE}=write cargo test --lib golden`, read the difference line by line (each is \
         something that a caller may do now and could not before, or the other way round), and commit it.",
        gone.collect::<String>(),
        come.collect::<String>()
    );
}

/// A table with a tab between columns: the first row has their names.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let line = |row: &Vec<String>| {
        assert_eq!(row.len(), rows[0].len(), "{row:?}");
        assert!(row.iter().all(|cell| !cell.contains(['\t', '\n'])), "{row:?}");
        row.join("\t") + "\n"
    };
    rows.iter().map(line).collect()
}
