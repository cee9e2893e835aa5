//! Patterns of IAM: `*` for any characters, `?` for one.

/// A pattern for the names of resources and for what conditions compare. Exact in its letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Box<[char]>);

/// A pattern for the actions of S3: letters count regardless of their case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ActionPattern(Pattern);

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        Self(text.chars().collect())
    }

    /// Whether all of `text` matches. Takes time in proportion to both lengths, whatever they are.
    pub(super) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut from) = (0, 0);
        // Where to go on if what follows the last `*` does not match: a character further in the text.
        let mut retry = None;
        while let Some(&here) = text.get(from) {
            match self.0.get(at) {
                Some('*') => {
                    retry = Some((at + 1, from));
                    at += 1;
                }
                Some(&wanted) if wanted == '?' || wanted == here => {
                    at += 1;
                    from += 1;
                }
                _ => match retry {
                    Some((after, passed)) => {
                        retry = Some((after, passed + 1));
                        (at, from) = (after, passed + 1);
                    }
                    None => return false,
                },
            }
        }
        self.0.get(at..).unwrap_or_default().iter().all(|c| *c == '*')
    }

    /// Whether it can match `name` itself or something below it, that is `name/…`.
    pub(super) fn reaches_into(&self, name: &str) -> bool {
        let bucket = match self.0.iter().position(|c| *c == '/') {
            Some(slash) => Self(self.0.get(..slash).unwrap_or_default().into()),
            None => self.clone(),
        };
        // A `*` before the slash may stand for the slash as well.
        bucket.matches(name)
            || self.0.iter().position(|c| *c == '*').is_some_and(|star| {
                let head: String = self.0.get(..star).unwrap_or_default().iter().collect();
                let head = Self::new(&head);
                let shorter = name.chars().count() >= head.0.len();
                let start: String = name.chars().take(head.0.len()).collect();
                shorter && head.matches(&start)
            })
    }
}

impl ActionPattern {
    /// `pattern` without its service.
    pub(super) fn new(pattern: &str) -> Self {
        Self(Pattern::new(&pattern.to_ascii_lowercase()))
    }

    pub(super) fn matches(&self, action: &str) -> bool {
        self.0.matches(&action.to_ascii_lowercase())
    }
}
