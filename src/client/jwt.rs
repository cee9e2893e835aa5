//! What an identity token says, unverified.
//!
//! The gateway verifies tokens. Here they are read for what a client must look at itself (OpenID Connect Core 3.1.3.7: the
//! issuer, the audience, the nonce, the end), and to say who somebody is. No decision about data hangs on it.

use crate::json::{Json, Object};
use crate::secret::Secret;
use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};

/// Bytes of a token that a gateway takes.
pub(super) const LONGEST: usize = 16 << 10;

/// The claims of a token.
#[derive(Clone, Debug)]
pub(super) struct Claims(Object);

impl Claims {
    /// Takes a token apart.
    ///
    /// # Errors
    /// What it has in place of a signed token's three parts.
    pub(super) fn of(token: &Secret) -> Result<Self, &'static str> {
        let text = token.expose_str().ok_or("it is not text")?;
        if text.len() > LONGEST {
            return Err("it is larger than 16 KiB");
        }
        let mut parts = text.split('.');
        let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("it is not a signed JSON web token");
        };
        let claims = BASE64URL_NOPAD
            .decode(claims.as_bytes())
            .map_err(|_| "its claims are not base64url")?;
        Object::parse(&claims)
            .map(Self)
            .map_err(|_| "its claims are not JSON")
    }

    pub(super) fn get(&self, name: &str) -> Option<&Json> {
        self.0.get(name)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.text(name)
    }

    /// How long it is good from the moment when it was issued: independent of the clock of this machine.
    pub(super) fn lifetime(&self) -> Option<SignedDuration> {
        let (issued, ends) = (self.time("iat")?, self.time("exp")?);
        Some(ends.duration_since(issued)).filter(|lifetime| lifetime.is_positive())
    }

    pub(super) fn time(&self, name: &str) -> Option<Timestamp> {
        match self.0.get(name)? {
            Json::Integer(seconds) => Timestamp::from_second(*seconds).ok(),
            _ => None,
        }
    }

    /// Whether `client_id` is who the token is for, and the only one or the one that asked.
    pub(super) fn is_for(&self, client_id: &str) -> bool {
        match self.0.get("aud") {
            Some(Json::String(one)) => **one == *client_id,
            Some(Json::Array(all)) => {
                let is_in = all.iter().any(|one| one.as_str() == Some(client_id));
                is_in && (all.len() == 1 || self.text("azp") == Some(client_id))
            }
            _ => false,
        }
    }

    /// Who it is, in the way that people know them.
    pub(super) fn who(&self) -> &str {
        ["email", "preferred_username", "upn", "name", "sub"]
            .into_iter()
            .find_map(|name| self.text(name).filter(|text| !text.is_empty()))
            .unwrap_or("somebody")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(document: &str) -> Claims {
        let token = format!("e30.{}.c2ln", BASE64URL_NOPAD.encode(document.as_bytes()));
        Claims::of(&Secret::new(token)).unwrap()
    }

    #[test]
    fn a_token_is_for_one_client() {
        let check =
            |document: &str, for_us: bool| assert_eq!(claims(document).is_for("us"), for_us, "{document}");
        check(r#"{"aud":"us"}"#, true);
        check(r#"{"aud":["us"]}"#, true);
        check(r#"{"aud":["us","them"],"azp":"us"}"#, true);
        check(r#"{"aud":["us","them"],"azp":"them"}"#, false);
        check(r#"{"aud":["us","them"]}"#, false);
        check(r#"{"aud":"US"}"#, false);
        check(r#"{"aud":7}"#, false);
        check(r#"{}"#, false);
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in ["", "a.b", "a.b.c.d", "a.!!.c", "e30.bm90IGpzb24.c", "a.W10.c"] {
            assert!(Claims::of(&Secret::new(text)).is_err(), "{text}");
        }
        assert!(Claims::of(&Secret::new(vec![b'a'; LONGEST + 1])).is_err());
    }

    #[test]
    fn the_lifetime_does_not_depend_on_a_clock() {
        assert_eq!(
            claims(r#"{"iat":100,"exp":3700}"#).lifetime(),
            Some(SignedDuration::from_hours(1))
        );
        for odd in [
            r#"{"iat":100}"#,
            r#"{"iat":100,"exp":100}"#,
            r#"{"iat":"1","exp":9}"#,
            r#"{"iat":1e3,"exp":9000}"#,
        ] {
            assert_eq!(claims(odd).lifetime(), None, "{odd}");
        }
    }
}
