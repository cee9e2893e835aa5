//! Random strings: states, nonces, code verifiers, the tokens of local doors, names of drafts.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use zeroize::Zeroizing;

/// There is no randomness on this machine: nothing can be done safely.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("this machine gives no random numbers")]
pub struct NoRandomness;

/// 256 random bits in base64url, 43 characters: fit for a URL, a header and a code verifier (RFC 7636).
pub(super) fn string() -> Result<String, NoRandomness> {
    let mut bytes = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(&mut *bytes).map_err(|_| NoRandomness)?;
    Ok(BASE64URL_NOPAD.encode(&*bytes))
}

/// A name that no other file has. Not a secret: without randomness the process id does, as a name is never reused.
pub(super) fn name() -> String {
    let mut bytes = [0; 8];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => HEXLOWER.encode(&bytes),
        Err(_) => std::process::id().to_string(),
    }
}
