//! The two documents of a security token service: credentials and errors.
//!
//! Read by path, because elements come in any order and services add their own; but an element that matters comes
//! once, has no children, and nothing that a parser could be led astray with (document types, processing
//! instructions, entities of one's own) is accepted.

use super::AccessKey;
use crate::secret::Secret;
use jiff::Timestamp;
use quick_xml::{Reader, events::Event};
use zeroize::Zeroizing;

/// Bytes of an answer.
pub(super) const MAX_DOCUMENT: usize = 64 << 10;
/// Elements inside each other.
const MAX_DEPTH: usize = 8;

/// Reads the answer to `action`: a key and when it ends.
///
/// Spec: <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>
pub(super) fn credentials(action: &str, document: &str) -> Result<(AccessKey, Timestamp), &'static str> {
    let (response, result) = (format!("{action}Response"), format!("{action}Result"));
    let path = |name| [&*response, &*result, "Credentials", name];
    let names = [
        path("AccessKeyId"),
        path("SecretAccessKey"),
        path("SessionToken"),
        path("Expiration"),
    ];
    let [id, secret, token, expiration] = texts(document, &response, names.each_ref().map(|path| &path[..]))?;
    let found =
        |text: Option<Zeroizing<String>>, missing| text.filter(|text| !text.is_empty()).ok_or(missing);
    let id = found(id, "it has no access key id")?;
    let secret = found(secret, "it has no secret access key")?;
    let token = found(token, "it has no session token")?;
    let expiration = found(expiration, "it has no expiry")?;
    let key = AccessKey {
        id: id.as_str().into(),
        secret: Secret::new(secret.as_bytes()),
        session_token: Some(Secret::new(token.as_bytes())),
    };
    Ok((key, expiration.parse().map_err(|_| "its expiry is not a time")?))
}

/// Reads the answer to GetWebIdentityToken: an identity token of this caller for somebody else.
///
/// Spec: <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetWebIdentityToken.html>
pub(crate) fn web_identity_token(document: &str) -> Result<Zeroizing<String>, &'static str> {
    let (response, result) = ("GetWebIdentityTokenResponse", "GetWebIdentityTokenResult");
    let [token] = texts(document, response, [&[response, result, "WebIdentityToken"][..]])?;
    token
        .filter(|token| !token.is_empty())
        .ok_or("it has no identity token")
}

/// Reads code and message of an error; `None` if it is something else.
pub(crate) fn error(document: &str) -> Option<(String, String)> {
    let names = [
        &["ErrorResponse", "Error", "Code"][..],
        &["ErrorResponse", "Error", "Message"][..],
    ];
    let [code, message] = texts(document, "ErrorResponse", names).ok()?;
    Some((
        code?.to_string(),
        message.map(|text| text.to_string()).unwrap_or_default(),
    ))
}

/// The texts of the elements at `paths`.
fn texts<const N: usize>(
    document: &str,
    root: &str,
    paths: [&[&str]; N],
) -> Result<[Option<Zeroizing<String>>; N], &'static str> {
    const BROKEN: &str = "it is not well-formed XML";
    let mut found: [Option<Zeroizing<String>>; N] = [const { None }; N];
    let mut place: Vec<String> = Vec::new();
    // The element whose text is being read.
    let mut open: Option<usize> = None;
    let mut closed = false;
    let mut reader = Reader::from_str(document);
    reader.config_mut().expand_empty_elements = true;
    loop {
        match reader.read_event().map_err(|_| BROKEN)? {
            Event::Start(element) => {
                if open.is_some() {
                    return Err("an element that should be text has children");
                }
                place.push(element.local_name().as_ref().to_owned());
                if closed || place.len() > MAX_DEPTH || place.first().is_none_or(|first| first != root) {
                    return Err("it is another document");
                }
                open = paths.iter().position(|path| place.iter().eq(path.iter()));
                if let Some(slot) = open.and_then(|at| found.get_mut(at)) {
                    if slot.is_some() {
                        return Err("an element comes twice");
                    }
                    *slot = Some(Zeroizing::default());
                }
            }
            Event::End(_) => {
                place.pop();
                open = None;
                closed |= place.is_empty();
            }
            Event::Text(text) => append(&mut found, open, &text.xml10_content()),
            Event::CData(text) => append(&mut found, open, &text.xml10_content()),
            Event::GeneralRef(reference) => {
                let resolved = match reference.resolve_char_ref().map_err(|_| BROKEN)? {
                    Some(c) => c,
                    None => match reference.xml10_content().as_ref() {
                        "amp" => '&',
                        "lt" => '<',
                        "gt" => '>',
                        "quot" => '"',
                        "apos" => '\'',
                        _ => return Err("it uses an entity of its own"),
                    },
                };
                append(&mut found, open, resolved.encode_utf8(&mut [0; 4]));
            }
            Event::Decl(_) | Event::Comment(_) => {}
            Event::Empty(_) | Event::PI(_) | Event::DocType(_) => {
                return Err("it has more than elements in it");
            }
            Event::Eof if closed => return Ok(found),
            Event::Eof => return Err(BROKEN),
        }
    }
}

fn append(found: &mut [Option<Zeroizing<String>>], open: Option<usize>, text: &str) {
    if let Some(Some(slot)) = open.and_then(|at| found.get_mut(at)) {
        slot.push_str(text);
    }
}
