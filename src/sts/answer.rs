//! The documents of the token service, element for element as AWS writes them: SDKs read them by name.
//!
//! Spec: <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>

use super::{IssuedAnswer, StsError, request::is_name_character};
use crate::authn::Principal;
use std::fmt::{self, Display, Write};

/// What the documents are.
pub const CONTENT_TYPE: &str = "text/xml";

impl IssuedAnswer {
    /// Status and document. The document holds the session's secrets: it goes to the caller and nowhere else.
    pub fn render(&self, request_id: &str) -> (u16, String) {
        let session = &self.session;
        let info = session.principal.session();
        let body = format!(
            "<AssumeRoleWithWebIdentityResponse xmlns=\"{NAMESPACE}\"><AssumeRoleWithWebIdentityResult>\
             <SubjectFromWebIdentityToken>{subject}</SubjectFromWebIdentityToken>\
             <Audience>{audience}</Audience>\
             <AssumedRoleUser><Arn>arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{name}</Arn>\
             <AssumedRoleId>{id}:{name}</AssumedRoleId></AssumedRoleUser>\
             <Credentials><AccessKeyId>{access_key_id}</AccessKeyId>\
             <SecretAccessKey>{secret_access_key}</SecretAccessKey>\
             <SessionToken>{session_token}</SessionToken>\
             <Expiration>{expires_at}</Expiration></Credentials>\
             <Provider>{issuer}</Provider>\
             </AssumeRoleWithWebIdentityResult>\
             <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>\
             </AssumeRoleWithWebIdentityResponse>",
            subject = Escaped(session.principal.subject()),
            audience = Escaped(&self.audience),
            role = Escaped(role_name(self.role_arn.as_deref())),
            name = Escaped(&info.name),
            id = Escaped(&info.id),
            access_key_id = Escaped(&session.access_key_id),
            secret_access_key = Escaped(session.secret_access_key.expose_str().unwrap_or_default()),
            session_token = Escaped(session.session_token.expose_str().unwrap_or_default()),
            expires_at = session.expires_at,
            issuer = Escaped(session.principal.issuer()),
            request_id = Escaped(request_id),
        );
        (200, body)
    }
}

/// Status and document of `GetCallerIdentity`.
pub fn caller_identity(principal: &Principal, request_id: &str) -> (u16, String) {
    let info = principal.session();
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"{NAMESPACE}\"><GetCallerIdentityResult>\
         <Arn>arn:aws:sts::{ACCOUNT}:assumed-role/{kind}/{principal}</Arn>\
         <UserId>{id}:{name}</UserId>\
         <Account>{ACCOUNT}</Account>\
         </GetCallerIdentityResult>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>\
         </GetCallerIdentityResponse>",
        kind = principal.kind().name(),
        principal = Escaped(principal.id()),
        id = Escaped(&info.id),
        name = Escaped(&info.name),
        request_id = Escaped(request_id),
    );
    (200, body)
}

impl StsError {
    /// Status and document.
    pub fn render(&self, request_id: &str) -> (u16, String) {
        let (status, code, message) = (self.status(), self.code(), self.message());
        let at_fault = if status < 500 { "Sender" } else { "Receiver" };
        let body = format!(
            "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>{at_fault}</Type><Code>{code}</Code>\
             <Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>",
            message = Escaped(&message),
            request_id = Escaped(request_id),
        );
        (status, body)
    }
}

/// The last part of the role that the caller named, where it can be part of an ARN.
fn role_name(role_arn: Option<&str>) -> &str {
    match role_arn.and_then(|arn| arn.rsplit_once('/')) {
        Some((_, name)) if (1..=64).contains(&name.len()) && name.chars().all(is_name_character) => name,
        _ => "tidegate",
    }
}

/// Text for an XML element. XML 1.0 has no way to write control characters: they become U+FFFD.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&apos;")?,
                '\r' => f.write_str("&#13;")?,
                '\t' | '\n' | ' '..='\u{7e}' | '\u{85}' | '\u{a0}'..='\u{d7ff}' => f.write_char(c)?,
                '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}' => f.write_char(c)?,
                _ => f.write_char('\u{fffd}')?,
            }
        }
        Ok(())
    }
}

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// There are no accounts here; tools want twelve digits.
const ACCOUNT: &str = "000000000000";
