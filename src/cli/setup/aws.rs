//! `tidegate setup aws`.

use super::known::{Known, agrees, audience, is_absent, unfit};
use super::{Common, Refusal, plain};
use crate::config::{AssumedRole, Attribution, CredentialSource, IdentityToken, RoleProof};
use crate::setup::{AwsAccount, AwsPartition, Names, Plain, Printed, RoleArn, arns, aws};

/// What AWS is asked.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What all clouds are asked.
    #[command(flatten)]
    pub common: Common,
    /// The account of the role; default: that of the role in the configuration
    #[arg(long, value_name = "DIGITS", value_parser = AwsAccount::parse)]
    pub account_id: Option<AwsAccount>,
    /// The role's name; default: that of the role in the configuration, or `tidegate`
    #[arg(long, value_name = "NAME", value_parser = plain(Names::ROLE))]
    pub role_name: Option<Plain>,
    /// The bucket's region: it tells the partition
    #[arg(long, value_name = "NAME", value_parser = plain(Names::REGION))]
    pub region: Option<Plain>,
    /// The KMS key of the bucket
    #[arg(long, value_name = "ARN", value_parser = arns::kms_key)]
    pub kms_key: Option<Plain>,
    /// A role or user that gets at the objects besides; may be repeated
    #[arg(long, value_name = "ARN", value_parser = arns::exempt)]
    pub exempt: Vec<Plain>,
    /// The role or user that Tidegate's machine has, for `aws-assume-role`
    #[arg(long, value_name = "ARN", value_parser = arns::trusted)]
    pub trusted: Option<Plain>,
    /// `external_id` of `aws-assume-role`
    #[arg(long, value_name = "TEXT", value_parser = plain(Names::EXTERNAL_ID), requires = "trusted")]
    pub external_id: Option<Plain>,
}

pub(super) const EXAMPLES: &str = "\
Examples:
  tidegate setup aws --bucket lake --config tidegate.toml
  tidegate setup aws --bucket lake --target-bucket acme-lake --issuer https://s3.acme.example --account-id 123456789012
  tidegate setup aws --bucket lake --account-id 123456789012 \\
      --trusted arn:aws:iam::123456789012:role/gateway --external-id acme-7
  tidegate setup aws --bucket lake --config tidegate.toml --format terraform > lake.tf";

pub(super) fn print(args: &Args) -> Result<Printed, Refusal> {
    let known = Known::of(&args.common)?;
    let role = match known.source() {
        Some(CredentialSource::Role(role)) => Some(role.clone()),
        Some(CredentialSource::Static(_)) | None => None,
        Some(other) => return Err(unfit(&known, other, "`aws-web-identity` or `aws-assume-role`")),
    };
    let region = args.region.clone().or_else(|| known.region.clone());
    let arn = match (&role, &args.account_id) {
        (Some(role), _) => configured_role(args, &known, role)?,
        (None, Some(account)) => RoleArn::new(
            AwsPartition::of(region.as_ref()),
            account.clone(),
            match &args.role_name {
                Some(name) => name.clone(),
                None => Names::ROLE.parse("tidegate")?,
            },
        ),
        (None, None) => return Err("the role's account is not known: say `--account-id`".into()),
    };
    let principals = !args.common.principals_of.is_empty();
    let named = |of: fn(&AssumedRole) -> bool| role.as_ref().map_or(principals, of);
    let (source_identity, session_tags) = (
        named(|role| role.source_identity),
        named(|role| role.session_tags),
    );
    let trust = match &args.trusted {
        Some(trusted) => aws::Trust::Principal {
            arn: trusted.clone(),
            external_id: external_id(args, role.as_ref())?,
        },
        None => of_token(args, &known, role.as_ref())?,
    };
    let plan = aws::Plan {
        neighbours: known.neighbours(),
        place: known.place,
        role: arn,
        trust,
        source_identity,
        session_tags,
        kms_key: args.kms_key.clone(),
        exempt: args.exempt.clone(),
    };
    Ok(aws::print(&plan, args.common.format))
}

/// The role of the configuration, with which no option may disagree.
fn configured_role(args: &Args, known: &Known, role: &AssumedRole) -> Result<RoleArn, Refusal> {
    let arn = RoleArn::parse(&role.role_arn)?;
    let table = format!("targets.{}", known.place.target);
    let place = format!("`{table}.credentials.role_arn`");
    agrees("--account-id", args.account_id.as_ref(), arn.account(), &place)?;
    agrees("--role-name", args.role_name.as_ref(), arn.name.as_str(), &place)?;
    if let Some(region) = &known.region {
        agrees(
            "--region",
            args.region.as_ref(),
            region.as_str(),
            &format!("`{table}.region`"),
        )?;
    }
    let kind = known.source().map_or("", CredentialSource::kind);
    let is = format!("`{table}.credentials.kind` is `{kind}`");
    match &role.proof {
        RoleProof::WebIdentity(_) => {
            let why = format!("{is}, which no role or user assumes");
            is_absent("--trusted", args.trusted.as_ref(), &why)?;
        }
        RoleProof::Ambient { external_id, .. } | RoleProof::Keys { external_id, .. } => {
            let why = format!("{is}, which has no tokens");
            is_absent("--issuer", args.common.issuer.as_ref(), &why)?;
            is_absent("--audience", args.common.audience.as_ref(), &why)?;
            is_absent("--subject", args.common.subject.as_ref(), &why)?;
            let place = format!("`{table}.credentials.external_id`");
            let said = args.external_id.as_ref();
            match external_id {
                Some(configured) => agrees("--external-id", said, configured, &place)?,
                None => is_absent("--external-id", said, &format!("there is no {place}"))?,
            }
        }
    }
    Ok(arn)
}

fn of_token(args: &Args, known: &Known, role: Option<&AssumedRole>) -> Result<aws::Trust, Refusal> {
    let configured = match role.map(|role| &role.proof) {
        Some(RoleProof::Ambient { .. } | RoleProof::Keys { .. }) => {
            return Err("say in `--trusted` which role or user assumes it: that of Tidegate's machine, or of its keys".into());
        }
        Some(RoleProof::WebIdentity(IdentityToken::Own { audience })) => Some(audience),
        Some(RoleProof::WebIdentity(IdentityToken::File(_))) | None => None,
    };
    let audience = audience(&args.common, configured.map(|text| &**text), "sts.amazonaws.com")?;
    let attribution = role.map_or(Attribution::Shared, |role| role.attribution);
    Ok(aws::Trust::Token(known.trusted(
        &args.common,
        audience,
        attribution,
    )?))
}

fn external_id(args: &Args, role: Option<&AssumedRole>) -> Result<Option<Plain>, Refusal> {
    if let Some(id) = &args.external_id {
        return Ok(Some(id.clone()));
    }
    let configured = match role.map(|role| &role.proof) {
        Some(RoleProof::Ambient { external_id, .. } | RoleProof::Keys { external_id, .. }) => {
            external_id.as_deref()
        }
        Some(RoleProof::WebIdentity(_)) | None => None,
    };
    Ok(configured.map(|id| Names::EXTERNAL_ID.parse(id)).transpose()?)
}
