//! Login by a code that is typed in on another device.
//!
//! The code is not put into the address: whoever follows a link that carries somebody else's code logs that somebody in.
//! Typing it, and comparing it, is what makes a person look.
//!
//! Spec: RFC 8628.

use super::tokens::{Granted, document, post};
use super::{Flow, LoginError};
use crate::client::console::printable;
use crate::json::{Json, Object};
use std::time::Duration;
use tokio::time::Instant;

/// What the provider waits for between two questions if it does not say.
const INTERVAL: Duration = Duration::from_secs(5);
/// What `slow_down` adds, for good.
const SLOWER: Duration = Duration::from_secs(5);
/// Bounds of what a provider may ask for.
const LONGEST_INTERVAL: Duration = Duration::from_secs(60);
const LONGEST_LIFE: Duration = Duration::from_secs(1800);

impl Flow<'_> {
    /// Shows the code and waits until somebody approves it.
    pub(super) async fn with_device(&self) -> Result<Granted, LoginError> {
        let issuer = &self.provider.issuer;
        let endpoint = self
            .provider
            .device_authorization_endpoint
            .as_deref()
            .ok_or(LoginError::NoDevice)?;
        let scopes = self.provider.scopes(&self.issuer.scopes);
        let mut form = vec![("client_id", self.issuer.client_id.as_str()), ("scope", &scopes)];
        form.extend(self.secret());
        let answer = document(&post(self.fetcher, issuer, endpoint, &form).await?, issuer)?;
        let odd = || LoginError::Provider {
            issuer: issuer.clone(),
            problem: "its answer has no code".to_owned(),
        };
        let member = |name| answer.text(name).filter(|text| !text.is_empty());
        let device_code = member("device_code").ok_or_else(odd)?;
        let user_code = printable(member("user_code").ok_or_else(odd)?);
        // `verification_url` is what one large provider calls it.
        let address = member("verification_uri")
            .or_else(|| member("verification_url"))
            .ok_or_else(odd)?;
        let ends = Instant::now()
            + seconds(&answer, "expires_in")
                .unwrap_or(LONGEST_LIFE)
                .min(LONGEST_LIFE);
        let mut interval = seconds(&answer, "interval")
            .unwrap_or(INTERVAL)
            .min(LONGEST_INTERVAL);
        self.console.say(format!(
            "To log in, go to {} on any device and enter the code\n",
            printable(address)
        ));
        self.console.say(format!("  {user_code}\n"));
        self.console.say(format!(
            "Only approve if you see {user_code}, and only if it was you who ran this command."
        ));
        loop {
            // INVARIANT: never more often than the provider allows, also at first.
            tokio::time::sleep(interval).await;
            if Instant::now() >= ends {
                return Err(LoginError::CodeExpired);
            }
            let form = [
                ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
                ("device_code", device_code),
            ];
            // There is no nonce in this flow: the device code, which only this process has, binds the token to it.
            match self.grant(&form, None).await {
                Ok(granted) => return Ok(granted),
                Err(error) => interval = after(error, interval)?,
            }
        }
    }
}

/// How long to wait after this answer, or that there is nothing to wait for.
fn after(error: LoginError, interval: Duration) -> Result<Duration, LoginError> {
    let longer = match error {
        LoginError::Refused { code, .. } => match code.as_str() {
            "authorization_pending" => interval,
            "slow_down" => interval + SLOWER,
            "expired_token" => return Err(LoginError::CodeExpired),
            _ => {
                let description = "the code was not accepted".to_owned();
                return Err(LoginError::Refused { code, description });
            }
        },
        // 3.5: a provider that cannot be reached is asked less often, and not given up.
        LoginError::Unreachable { .. } => interval * 2,
        other => return Err(other),
    };
    Ok(longer.min(LONGEST_INTERVAL))
}

fn seconds(answer: &Object, name: &str) -> Option<Duration> {
    match answer.get(name)? {
        Json::Integer(seconds) => Some(Duration::from_secs(u64::try_from(*seconds).ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 8628, 3.5.
    #[test]
    fn a_provider_is_asked_no_more_often_than_it_allows() {
        let refused = |code: &str| LoginError::Refused {
            code: code.into(),
            description: String::new(),
        };
        let check = |code: &str, seconds: Option<u64>| {
            let next = after(refused(code), Duration::from_secs(5));
            assert_eq!(next.ok().map(|next| next.as_secs()), seconds, "{code}");
        };
        check("authorization_pending", Some(5));
        check("slow_down", Some(10));
        check("expired_token", None);
        check("invalid_grant", None);
        assert!(matches!(
            after(refused("expired_token"), INTERVAL),
            Err(LoginError::CodeExpired)
        ));
        assert!(matches!(
            after(LoginError::Denied, INTERVAL),
            Err(LoginError::Denied)
        ));
        let silent = || LoginError::Unreachable {
            issuer: String::new(),
            source: crate::fetch::FetchError::NoRoots,
        };
        assert_eq!(after(silent(), Duration::from_secs(5)).unwrap().as_secs(), 10);
        assert_eq!(
            after(silent(), Duration::from_secs(50)).unwrap(),
            LONGEST_INTERVAL
        );
    }
}
