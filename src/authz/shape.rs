//! A look at the text of a policy file before it is parsed: is it too deep?
//!
//! The parser builds nested expressions by recursion and frees them likewise. A file of fifty thousand parentheses
//! would overflow the stack, which ends the process and cannot be caught; so depth is bounded here, far above what
//! people write, by counting what can nest.

/// Deepest brackets.
const BRACKETS: usize = 64;
/// Most characters of operators in one policy: each can put what follows or precedes it one level deeper.
const OPERATORS: usize = 4_000;

/// Where the text is too deep, and what it has too much of.
pub(super) fn too_deep(text: &str) -> Option<(usize, String)> {
    let mut depth = 0_usize;
    let mut operators = 0_usize;
    let mut word_begins = true;
    let mut rest = text.char_indices();
    while let Some((offset, character)) = rest.next() {
        let begins = std::mem::replace(&mut word_begins, !character.is_alphanumeric() && character != '_');
        match character {
            '"' => skip_string(&mut rest),
            '/' if rest.as_str().starts_with('/') => while rest.next().is_some_and(|(_, c)| c != '\n') {},
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            // Ends a policy, and nothing else.
            ';' => (depth, operators) = (0, 0),
            '&' | '|' | '+' | '-' | '*' | '.' | '!' | '<' | '>' | '=' => operators += 1,
            'i' if begins && rest.as_str().starts_with('f') => operators += 1,
            _ => {}
        }
        if depth > BRACKETS {
            return Some((offset, format!("brackets are nested more than {BRACKETS} deep")));
        }
        if operators > OPERATORS {
            return Some((offset, format!("a policy has more than {OPERATORS} operators")));
        }
    }
    None
}

fn skip_string(rest: &mut std::str::CharIndices<'_>) {
    while let Some((_, character)) = rest.next() {
        match character {
            '\\' => drop(rest.next()),
            '"' => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_outside_strings_and_comments() {
        let check = |text: &str, expected: Option<usize>| {
            assert_eq!(
                too_deep(text).map(|(offset, _)| offset),
                expected,
                "{}",
                text.len()
            );
        };
        check("", None);
        check(&"(".repeat(64), None);
        check(&"(".repeat(65), Some(64));
        check(&"([{".repeat(22), Some(64));
        check(&"()".repeat(1000), None);
        check(&format!("\"{}", "(".repeat(65)), None);
        check(&format!("\"\\\"{}\"", "(".repeat(65)), None);
        check(&format!("// {}\n", "(".repeat(65)), None);
        check(&format!("// \n{}", "(".repeat(65)), Some(68));
        check(&".a".repeat(4001), Some(8000));
        check(&".a".repeat(4000), None);
        check(&(".a".repeat(4000) + ";" + &".a".repeat(4000)), None);
        check(&" if".repeat(4001), Some(12001));
        check(&"xif".repeat(4001), None);
        check("a / b // \" (", None);
    }
}
