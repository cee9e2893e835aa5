//! `tidegate setup minio`.

use super::known::{Known, audience, unfit};
use super::{Common, Refusal, plain};
use crate::config::{Attribution, CredentialSource, IdentityToken, RoleProof};
use crate::setup::{Names, Plain, Printed, minio};

/// What MinIO is asked.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What all clouds are asked.
    #[command(flatten)]
    pub common: Common,
    /// What `mc` calls the server
    #[arg(long, value_name = "NAME", default_value = "minio", value_parser = plain(Names::MINIO))]
    pub alias: Plain,
}

pub(super) const EXAMPLES: &str = "\
Examples:
  tidegate setup minio --bucket lake --config tidegate.toml --alias store
  tidegate setup minio --bucket lake                                          keys that assume a role
  tidegate setup minio --bucket lake --issuer https://s3.acme.example         Tidegate's own tokens";

pub(super) fn print(args: &Args) -> Result<Printed, Refusal> {
    let known = Known::of(&args.common)?;
    let own = |configured: Option<&str>, attribution| {
        // Of which this server is the only one: see the notes.
        let default = format!("minio-{}", known.place.target);
        let audience = audience(&args.common, configured, &default)?;
        Ok::<_, Refusal>(minio::Trust::Token(known.trusted(
            &args.common,
            audience,
            attribution,
        )?))
    };
    let trust = match known.source() {
        Some(CredentialSource::Role(role)) => match &role.proof {
            RoleProof::WebIdentity(IdentityToken::Own { audience }) => own(Some(audience), role.attribution)?,
            RoleProof::WebIdentity(IdentityToken::File(_)) => own(None, role.attribution)?,
            RoleProof::Keys { .. } => minio::Trust::Keys,
            RoleProof::Ambient { .. } => {
                return Err(unfit(
                    &known,
                    &CredentialSource::Role(role.clone()),
                    "`sts-assume-role`",
                ));
            }
        },
        Some(CredentialSource::Static(_)) | None => match &args.common.issuer {
            Some(_) => own(None, Attribution::Shared)?,
            None => minio::Trust::Keys,
        },
        Some(other) => return Err(unfit(&known, other, "`sts-assume-role`")),
    };
    let plan = minio::Plan {
        place: known.place,
        alias: args.alias.clone(),
        trust,
    };
    Ok(minio::print(&plan, args.common.format)?)
}
