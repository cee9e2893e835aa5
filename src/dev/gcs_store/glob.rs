//! `matchGlob`: `*` within a folder, `**` across folders, `?`, `[a-z]`, `{one,other}`.
//!
//! Spec: <https://docs.cloud.google.com/storage/docs/json_api/v1/objects/list#list-objects-and-prefixes-using-glob>

use super::Refusal;

/// Patterns without braces, any of which may match.
#[derive(Debug)]
pub(super) struct Glob(Vec<Vec<Token>>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Char(char),
    /// `?`
    One,
    /// `*`
    Some,
    /// `**`
    All,
    /// `[a-z]`, `[!a]`
    Class(bool, Vec<(char, char)>),
}

/// Alternatives that braces may make.
const MAX_ALTERNATIVES: usize = 64;

impl Glob {
    /// # Errors
    /// Brackets that do not close, or too many alternatives.
    pub(super) fn parse(pattern: &str) -> Result<Self, Refusal> {
        let refused = || Refusal::parameter("matchGlob", pattern);
        let mut open = vec![pattern.to_owned()];
        let mut alternatives = Vec::new();
        while let Some(text) = open.pop() {
            match expand(&text) {
                Some(expanded) => open.extend(expanded),
                None => alternatives.push(tokens(&text).ok_or_else(refused)?),
            }
            if open.len() + alternatives.len() > MAX_ALTERNATIVES {
                return Err(refused());
            }
        }
        Ok(Self(alternatives))
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        self.0.iter().any(|tokens| is_match(tokens, &name))
    }
}

/// The texts without the first pair of braces; `None` if there is none.
fn expand(text: &str) -> Option<Vec<String>> {
    let (before, rest) = text.split_once('{')?;
    let (inner, after) = rest.split_once('}')?;
    Some(
        inner
            .split(',')
            .map(|part| format!("{before}{part}{after}"))
            .collect(),
    )
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => {
                let all = chars.next_if_eq(&'*').is_some();
                if all { Token::All } else { Token::Some }
            }
            '?' => Token::One,
            '\\' => Token::Char(chars.next()?),
            '{' | '}' => return None,
            '[' => {
                let negated = chars.next_if(|c| *c == '!' || *c == '^').is_some();
                let mut ranges = Vec::new();
                loop {
                    let first = chars.next()?;
                    if first == ']' && !ranges.is_empty() {
                        break;
                    }
                    let last = match chars.next_if_eq(&'-') {
                        Some(_) => chars.next()?,
                        None => first,
                    };
                    ranges.push((first, last));
                }
                Token::Class(negated, ranges)
            }
            other => Token::Char(other),
        });
    }
    Some(tokens)
}

/// By the set of tokens that the name may be at: a pattern costs its length for each character, and no more.
fn is_match(tokens: &[Token], name: &[char]) -> bool {
    let mut at = vec![false; tokens.len() + 1];
    if let Some(first) = at.first_mut() {
        *first = true;
    }
    skip(tokens, &mut at);
    for c in name {
        let mut next = vec![false; tokens.len() + 1];
        for (index, token) in tokens.iter().enumerate() {
            if !at.get(index).copied().unwrap_or_default() {
                continue;
            }
            let (fits, stays) = match token {
                Token::Char(wanted) => (wanted == c, false),
                Token::One => (*c != '/', false),
                Token::Some => (*c != '/', true),
                Token::All => (true, true),
                Token::Class(negated, ranges) => {
                    let within = ranges.iter().any(|(first, last)| (first..=last).contains(&c));
                    (within != *negated && *c != '/', false)
                }
            };
            let to = if stays { index } else { index + 1 };
            if fits && let Some(slot) = next.get_mut(to) {
                *slot = true;
            }
        }
        skip(tokens, &mut next);
        at = next;
    }
    at.last().copied().unwrap_or_default()
}

/// What may match nothing is passed.
fn skip(tokens: &[Token], at: &mut [bool]) {
    for (index, token) in tokens.iter().enumerate() {
        let here = at.get(index).copied().unwrap_or_default();
        if here
            && matches!(token, Token::Some | Token::All)
            && let Some(next) = at.get_mut(index + 1)
        {
            *next = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_documented() {
        let check = |pattern: &str, name: &str, expected: bool| {
            let glob = Glob::parse(pattern).map_err(|_| pattern).unwrap();
            assert_eq!(glob.matches(name), expected, "{pattern} {name}");
        };
        check("a*", "abc", true);
        check("a*", "ab/c", false);
        check("a**", "ab/c", true);
        check("**/c", "a/b/c", true);
        check("a?c", "abc", true);
        check("a?c", "a/c", false);
        check("[a-c]x", "bx", true);
        check("[!a-c]x", "bx", false);
        check("{a,b}.csv", "b.csv", true);
        check("{a,b}.csv", "c.csv", false);
        check("{a,b}{c,d}", "ad", true);
        check("a\\*", "a*", true);
        check("", "", true);
        assert!(Glob::parse("[a").is_err() && Glob::parse("{a").is_err());
        assert!(Glob::parse(&"{a,b}".repeat(20)).is_err());
    }
}
