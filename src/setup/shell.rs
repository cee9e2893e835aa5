//! Words and documents for a shell, so that nothing in them is syntax.

use super::Document;

/// One word. What is plain is left as it is.
pub(super) fn word(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:@=,+".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A command, one option on a line; a value without a name is an argument.
pub(super) fn command(words: &[&str], options: &[(&str, &str)]) -> String {
    let mut out = words.iter().map(|part| word(part)).collect::<Vec<_>>().join(" ");
    for (name, value) in options {
        out.push_str(" \\\n    ");
        let value = (!value.is_empty()).then(|| value_of(value));
        let parts = [Some((*name).to_owned()).filter(|name| !name.is_empty()), value];
        out.push_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(" "));
    }
    out
}

/// A value; one that begins with `"$dir/` names a file that was written before, and is the only one that is expanded.
fn value_of(value: &str) -> String {
    match value.strip_prefix(FILE) {
        Some(name) => format!("\"file://$dir/{name}\""),
        None => match value.strip_prefix(PATH) {
            Some(name) => format!("\"$dir/{name}\""),
            None => word(value),
        },
    }
}

/// Before the name of a file that was written, as a URL. No value has a control character.
pub(super) const FILE: &str = "\u{1}";
/// The same as a path.
pub(super) const PATH: &str = "\u{2}";

/// Writes a document into a file of the scratch folder. No line of JSON is the word that ends it.
pub(super) fn file(name: &str, document: &Document) -> String {
    format!("cat > \"$dir/{name}\" <<'END'\n{}END\n", document.json())
}

/// A script that can be pasted: it stops at the first failure, without ending the shell that it is pasted into.
pub(super) fn script(title: &str, steps: &[(String, String)]) -> String {
    let mut out = format!("# {title}\n(\nset -eu\ndir=$(mktemp -d)\ntrap 'rm -r \"$dir\"' EXIT\n");
    for (comment, step) in steps {
        out.push('\n');
        for line in comment.lines() {
            out.push_str(&format!("# {line}\n"));
        }
        out.push_str(step.trim_end());
        out.push('\n');
    }
    out.push_str(")\n");
    out
}
