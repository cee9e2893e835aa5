//! The documents of the token service, element for element as AWS writes them: SDKs read them by name.
//!
//! Spec: <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>

use super::{Grant, RoleWish, StsAction, StsError, Wish, wish::is_role_name};
use crate::authn::{IssuedSession, Principal};
use std::fmt::{self, Display, Write};

/// What the documents are.
pub const CONTENT_TYPE: &str = "text/xml";

/// A session that was issued, and what the answer says with it.
#[derive(Clone, Copy, Debug)]
pub struct Trade<'a> {
    /// By which call.
    pub action: StsAction,
    /// What was asked for.
    pub wish: &'a Wish,
    /// What was granted.
    pub grant: &'a Grant,
    /// What was issued.
    pub session: &'a IssuedSession,
}

impl Trade<'_> {
    /// Status and document. The document holds the session's secrets: it goes to the caller and nowhere else.
    pub fn render(&self, request_id: &str) -> (u16, String) {
        let (action, session) = (self.action.name(), self.session);
        let mut body = format!("<{action}Response xmlns=\"{NAMESPACE}\"><{action}Result>");
        let parts = [self.of_token(), self.of_role(), credentials(session)];
        body.extend(parts);
        let _ = write!(
            body,
            "</{action}Result><ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></{action}Response>",
            Escaped(request_id)
        );
        (200, body)
    }

    /// What only an identity token says.
    fn of_token(&self) -> String {
        if self.action != StsAction::AssumeRoleWithWebIdentity {
            return String::new();
        }
        let identity = &self.grant.identity;
        format!(
            "<SubjectFromWebIdentityToken>{}</SubjectFromWebIdentityToken><Audience>{}</Audience><Provider>{}</Provider>",
            Escaped(&identity.subject),
            Escaped(&identity.audience),
            Escaped(&identity.issuer),
        )
    }

    /// Whom the session is, in the words of roles. `GetSessionToken` has none.
    fn of_role(&self) -> String {
        if self.action == StsAction::GetSessionToken {
            return String::new();
        }
        let session = self.session.principal.session();
        let mut text = format!(
            "<AssumedRoleUser><Arn>arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{name}</Arn>\
             <AssumedRoleId>{id}:{name}</AssumedRoleId></AssumedRoleUser>",
            role = Escaped(role_name(self.session.principal.role(), &self.wish.role)),
            name = Escaped(&session.name),
            id = Escaped(&session.id),
        );
        if let Some(policy) = &self.wish.policy {
            // Percent of what AWS takes.
            let size = (policy.chars().count() * 100).div_ceil(crate::session_policy::MAX_POLICY);
            let _ = write!(text, "<PackedPolicySize>{size}</PackedPolicySize>");
        }
        text
    }
}

fn credentials(session: &IssuedSession) -> String {
    format!(
        "<Credentials><AccessKeyId>{access_key_id}</AccessKeyId>\
         <SecretAccessKey>{secret_access_key}</SecretAccessKey>\
         <SessionToken>{session_token}</SessionToken>\
         <Expiration>{expires_at}</Expiration></Credentials>",
        access_key_id = Escaped(&session.access_key_id),
        secret_access_key = Escaped(session.secret_access_key.expose_str().unwrap_or_default()),
        session_token = Escaped(session.session_token.expose_str().unwrap_or_default()),
        expires_at = session.expires_at,
    )
}

/// Status and document of `GetCallerIdentity`.
pub fn caller_identity(principal: &Principal, request_id: &str) -> (u16, String) {
    let info = principal.session();
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"{NAMESPACE}\"><GetCallerIdentityResult>\
         <Arn>arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{principal}</Arn>\
         <UserId>{id}:{name}</UserId>\
         <Account>{ACCOUNT}</Account>\
         </GetCallerIdentityResult>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>\
         </GetCallerIdentityResponse>",
        role = Escaped(principal.role().unwrap_or(principal.kind().name())),
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

/// The role that the session carries. Of one that is none of ours, the name that the caller has for it: some tools
/// compare it with what they asked for.
fn role_name<'a>(role: Option<&'a str>, wish: &'a RoleWish) -> &'a str {
    let asked = match wish {
        RoleWish::Arn(arn) => arn.rsplit_once('/').map(|(_, name)| name),
        RoleWish::Own | RoleWish::Named(_) => None,
    };
    role.or(asked.filter(|name| is_role_name(name)))
        .unwrap_or("tidegate")
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
pub const ACCOUNT: &str = "000000000000";
