//! Operations to try, made from a number: the same number is the same case, everywhere.

use super::documents;
use crate::operation::{
    Api, BodyRule, BucketName, CompletedPart, CopySource, Detail, DocumentForm, ObjectDeletion, ObjectKey,
    ObjectName, ObjectTags, Operation, Resource, Scope,
};
use std::borrow::Cow;

/// What readers of names stumble over. Any of it may stand next to any other.
const PIECES: &[&str] = &[
    "/",
    "//",
    "+",
    "%",
    "%2F",
    "%2f",
    "%2e%2e",
    "%00",
    "%zz",
    "%25",
    " ",
    "  ",
    "?",
    "?versionId=x",
    "?acl",
    "&",
    "#",
    "=",
    ";",
    ":",
    "@",
    "\\",
    "\"",
    "'",
    "<",
    ">",
    "&amp;",
    "]]>",
    "ä",
    "日本",
    "🌊",
    "e\u{301}",
    "\u{7f}",
    "\u{a0}",
    "\u{feff}",
    "\u{2028}",
    "\u{fffd}",
    "~",
    "*",
    "(",
    ")",
    "!",
    "$",
    ",",
    "|",
    "{",
    "}",
    "[",
    "^",
    "`",
    "...",
    "a.",
    ".a",
    "..a",
    "a..",
    "A",
    "a",
    "b",
    "key",
    "dir",
    "0",
    "tagging",
    "uploadId",
    "null",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\u{1}",
    "\u{1f}",
];

/// SplitMix64: small, good enough, and the same on every machine.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    pub(super) fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// One to six pieces; now and then any character, or any two bytes that are text.
    pub(super) fn text(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..=self.below(6) {
            match self.below(6) {
                0 => text.push(char::from(u8::try_from(1 + self.below(127)).unwrap())),
                1 => text.extend(char::from_u32(u32::try_from(self.below(0x11_0000)).unwrap())),
                _ => text.push_str(self.pick(PIECES)),
            }
        }
        text.retain(|c| c != '\0');
        text
    }

    /// Text without control characters, never empty.
    fn printable(&mut self) -> String {
        let mut text = self.text();
        text.retain(|c| !c.is_control());
        if text.is_empty() { "x".into() } else { text }
    }

    /// Text of the characters that XML can carry.
    fn xml(&mut self) -> String {
        let mut text = self.text();
        text.retain(
            |c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..),
        );
        text
    }

    fn key_of(&mut self, text: impl Fn(&mut Self) -> String) -> ObjectKey {
        loop {
            if let Ok(key) = ObjectKey::parse(text(self).as_bytes()) {
                return key;
            }
        }
    }

    pub(super) fn bucket(&mut self) -> BucketName {
        let names = [
            "lake",
            "my.lake",
            "a-b",
            "0ab",
            "lake.eu-west-1.prod",
            "tagging",
            "store.test",
        ];
        BucketName::parse(self.pick(&names)).unwrap()
    }

    fn object(&mut self) -> ObjectName {
        ObjectName {
            bucket: self.bucket(),
            key: self.key_of(Self::text),
        }
    }

    fn version(&mut self) -> Option<Box<str>> {
        self.one_in(2).then(|| self.printable().into())
    }
}

/// Any call of `apis` with everything that it may carry.
pub(super) fn operation(random: &mut Random, apis: &[Api]) -> Operation {
    let api = random.pick(apis);
    let row = api.row();
    let bucket = random.bucket();
    let resource = match row.scope {
        Scope::Service => Resource::Service,
        Scope::Bucket => Resource::Bucket(bucket.clone()),
        Scope::Object => Resource::Object(random.object()),
    };
    let mut parameters = Vec::new();
    for name in row.required {
        parameters.push((*name, required(random, name).into()));
    }
    for name in row.optional {
        if random.one_in(2) {
            parameters.push((*name, optional(random, name).into()));
        }
    }
    let detail = detail(random, api, &bucket);
    Operation::new(api, resource, parameters, headers(random, api), detail).unwrap()
}

fn required(random: &mut Random, name: &str) -> String {
    match name {
        "uploadId" | "id" | "annotationName" => random.printable(),
        "partNumber" => (1 + random.below(10_000)).to_string(),
        "list-type" => "2".into(),
        _ => String::new(),
    }
}

fn optional(random: &mut Random, name: &str) -> String {
    match name {
        "versionId" => random.printable(),
        "partNumber" => (1 + random.below(10_000)).to_string(),
        "encoding-type" => "url".into(),
        "fetch-owner" => random.pick(&["true", "false"]).to_string(),
        name if name.starts_with("max-") || name == "part-number-marker" => random.below(1001).to_string(),
        "response-expires" => "Wed, 21 Oct 2026 07:28:00 GMT".into(),
        name if name.starts_with("response-") => random.printable(),
        _ => random.text(),
    }
}

fn headers(random: &mut Random, api: Api) -> Vec<(Cow<'static, str>, Box<str>)> {
    let row = api.row();
    let mut headers: Vec<(Cow<'static, str>, Box<str>)> = Vec::new();
    for name in row.headers {
        let value = match *name {
            // What a call cannot be without.
            "x-amz-object-attributes" => "ETag,ObjectSize",
            _ if !random.one_in(3) => continue,
            "x-amz-acl" => random.pick(&["public-read", "authenticated-read"]),
            "x-amz-tagging" => random.pick(&["a=b", "a=b&c=d%20e", "%26=%3D"]),
            "x-amz-storage-class" => random.pick(&["GLACIER", "STANDARD_IA"]),
            "x-amz-copy-source-range" => random.pick(&["bytes=0-9", "bytes=5-5"]),
            "x-amz-bypass-governance-retention" => "true",
            _ => continue,
        };
        headers.push((Cow::Borrowed(name), value.into()));
    }
    if row.metadata && random.one_in(3) {
        headers.push((
            Cow::Borrowed("x-amz-meta-a"),
            random.pick(&["b", "c  d", "e;f"]).into(),
        ));
    }
    headers
}

fn detail(random: &mut Random, api: Api, bucket: &BucketName) -> Detail {
    let row = api.row();
    match row.body {
        BodyRule::Empty if row.copies => loop {
            let object = random.object();
            // Ambiguous: stores differ in when they look for it, so it is refused on its way in.
            if !object.key.as_str().contains("?versionId=") {
                let version_id = random.version();
                break Detail::Copy(CopySource { object, version_id });
            }
        },
        BodyRule::Empty | BodyRule::Object | BodyRule::Form => Detail::None,
        BodyRule::Document { form, .. } => match form {
            DocumentForm::Deletions => Detail::Deletions {
                objects: (0..=random.below(4)).map(|_| deletion(random, bucket)).collect(),
                quiet: random.one_in(2),
            },
            DocumentForm::Parts => Detail::Parts((0..=random.below(4)).map(|_| part(random)).collect()),
            DocumentForm::ObjectTags => {
                let mut tags = ObjectTags::default();
                for i in 0..random.below(4) {
                    // One that is too long is left out.
                    let _ = tags.add(format!("{i}{}", random.xml()), random.xml());
                }
                Detail::Tags(tags)
            }
            DocumentForm::NewBucket => Detail::None,
            DocumentForm::Retention
            | DocumentForm::LegalHold
            | DocumentForm::Restore
            | DocumentForm::Setting(_)
            | DocumentForm::Policy => Detail::Document(documents::rebuilt(api)),
        },
    }
}

fn deletion(random: &mut Random, bucket: &BucketName) -> ObjectDeletion {
    let key = random.key_of(Random::xml);
    ObjectDeletion {
        object: ObjectName {
            bucket: bucket.clone(),
            key,
        },
        version_id: random
            .version()
            .filter(|version| version.chars().all(|c| c <= '\u{fffd}')),
    }
}

fn part(random: &mut Random) -> CompletedPart {
    CompletedPart {
        number: u16::try_from(1 + random.below(10_000)).unwrap(),
        etag: format!("\"{:032x}-{}\"", random.next(), random.below(9)).into(),
        checksums: Vec::new(),
    }
}
