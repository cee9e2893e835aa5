//! Identity providers: whose tokens are taken, what they must say, and whom they name.

use super::SecretRef;
use crate::authn::PrincipalKind;
use std::{fmt, path::PathBuf, time::Duration};

/// An identity provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// The prefix of every principal and group of this issuer: `[a-z0-9-]{1,32}`.
    pub name: Box<str>,
    /// `iss`, compared byte for byte; `https`, no query, no fragment. What its principals carry, and whose discovery
    /// document is asked.
    pub issuer: Box<str>,
    /// Other `iss` of the same provider, whose tokens are signed with the same keys.
    pub aliases: Vec<Box<str>>,
    /// At least one; a token must name one of them. Two issuers with the same `iss` are told apart by them.
    pub audiences: Vec<Box<str>>,
    /// What its principals are.
    pub kind: PrincipalKind,
    /// The claim that names the principal.
    pub principal: ClaimSource,
    /// The claim that lists groups, if any.
    pub groups: Option<ClaimPath>,
    /// What its tokens must say besides; all of it.
    pub require: Vec<Condition>,
    /// What its tokens say about the principal that policies may read.
    pub tags: Vec<TagSource>,
    /// Private CA for discovery and JWKS.
    pub ca: Option<PathBuf>,
    /// The key set as a file, for a provider that cannot be reached: nothing is fetched then.
    pub jwks: Option<PathBuf>,
    /// Longest accepted `exp - iat`.
    pub max_token_lifetime: Duration,
    /// How people log in there, if they do.
    pub login: Option<Login>,
}

impl Issuer {
    /// Every `iss` that its tokens may have, the canonical one first.
    pub fn accepted(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&*self.issuer).chain(self.aliases.iter().map(|alias| &**alias))
    }
}

/// Tidegate as a client of an identity provider, for people who log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// As it is registered there.
    pub client_id: Box<str>,
    /// Of a confidential client, for the browser login of the server. The command line is a public client.
    pub client_secret: Option<SecretRef>,
    /// Always with `openid`.
    pub scopes: Vec<Box<str>>,
    /// Whether the command line begins with the device flow, for providers that allow no loopback redirect.
    pub device: bool,
}

/// Where a claim is: its name, or the names that lead to it through nested claims.
///
/// A list of names and no text with separators: names of claims contain dots, colons and slashes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimPath(Vec<Box<str>>);

impl ClaimPath {
    /// The path of these names. `None` without any.
    pub fn new(names: Vec<Box<str>>) -> Option<Self> {
        (!names.is_empty()).then_some(Self(names))
    }

    /// The same claim, nested in these.
    pub(crate) fn inside(mut self, outer: &[&str]) -> Self {
        self.0.splice(0..0, outer.iter().map(|name| Box::from(*name)));
        self
    }

    /// From the outermost claim inwards; at least one.
    pub fn names(&self) -> &[Box<str>] {
        &self.0
    }

    /// Whether it is the outermost claim of this name.
    pub fn is(&self, name: &str) -> bool {
        matches!(&*self.0, [only] if **only == *name)
    }
}

impl From<&str> for ClaimPath {
    fn from(name: &str) -> Self {
        Self(vec![name.into()])
    }
}

impl fmt::Display for ClaimPath {
    /// As a dotted key of TOML: `sub`, `"kubernetes.io".namespace`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = |name: &str| {
            let inner = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
            !name.is_empty() && name.bytes().all(inner)
        };
        for (n, name) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str(".")?;
            }
            match bare(name) {
                true => f.write_str(name)?,
                false => write!(f, "{name:?}")?,
            }
        }
        Ok(())
    }
}

/// Claims of which the first that a token has counts: providers name the same thing differently in their versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimSource(Vec<ClaimPath>);

impl ClaimSource {
    /// The same, and where there is none of these, this one.
    #[must_use]
    pub fn or(mut self, name: &str) -> Self {
        self.0.push(name.into());
        self
    }

    /// In the order in which they are looked for; at least one.
    pub fn paths(&self) -> &[ClaimPath] {
        &self.0
    }
}

impl From<ClaimPath> for ClaimSource {
    fn from(path: ClaimPath) -> Self {
        Self(vec![path])
    }
}

impl From<&str> for ClaimSource {
    fn from(name: &str) -> Self {
        ClaimPath::from(name).into()
    }
}

impl fmt::Display for ClaimSource {
    /// `appid` or `azp`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, path) in self.0.iter().enumerate() {
            match n {
                0 => write!(f, "`{path}`")?,
                _ => write!(f, " or `{path}`")?,
            }
        }
        Ok(())
    }
}

/// A claim that becomes a tag of the principal, where a token has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagSource {
    /// 1 to 64 of letters, digits, `_`, `-`, `.`, `:` and `/`.
    pub name: Box<str>,
    /// Its value: a text, a boolean, an integer, or a list with one of them.
    pub claim: ClaimSource,
}

impl Issuer {
    /// The tags that tell nobody of this issuer from the others: what every token of it must say the same of.
    pub fn shared_tags(&self) -> impl Iterator<Item = &Box<str>> {
        let required = |claim: &ClaimSource| {
            self.require.iter().any(|condition| {
                matches!(condition.rule, Rule::OneOf(_)) && claim.paths().contains(&condition.claim)
            })
        };
        // The account of AWS is not required, because each account has an issuer of its own.
        let shared = move |tag: &&TagSource| &*tag.name == "aws_account" || required(&tag.claim);
        self.tags.iter().filter(shared).map(|tag| &tag.name)
    }
}

/// Something that a token must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// About what.
    pub claim: ClaimPath,
    /// What.
    pub rule: Rule,
}

/// What a claim must be. Values are compared exactly, with case and type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// One of these; it must be there.
    OneOf(Vec<ClaimValue>),
    /// None of these; it may be missing.
    NoneOf(Vec<ClaimValue>),
    /// Not there.
    Absent,
    /// There, if the other one is.
    PresentWith(ClaimPath),
    /// The same text as the other one; both must be there.
    SameAs(ClaimPath),
    /// Another text than the other one; both must be there.
    OtherThan(ClaimPath),
}

/// A value that a claim is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimValue {
    /// A string.
    Text(Box<str>),
    /// A boolean.
    Flag(bool),
    /// An integer.
    Number(i64),
}

impl fmt::Display for ClaimValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

impl fmt::Display for Condition {
    /// `hd` is "acme.com" or "acme.org".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |values: &[ClaimValue]| {
            let values: Vec<String> = values.iter().map(ToString::to_string).collect();
            values.join(" or ")
        };
        let claim = &self.claim;
        match &self.rule {
            Rule::OneOf(values) => write!(f, "`{claim}` is {}", list(values)),
            Rule::NoneOf(values) => write!(f, "`{claim}` is not {}", list(values)),
            Rule::Absent => write!(f, "there is no `{claim}`"),
            Rule::PresentWith(other) => write!(f, "there is a `{claim}` where there is a `{other}`"),
            Rule::SameAs(other) => write!(f, "`{claim}` is the same as `{other}`"),
            Rule::OtherThan(other) => write!(f, "`{claim}` is another one than `{other}`"),
        }
    }
}
