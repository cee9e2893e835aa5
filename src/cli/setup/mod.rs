//! `tidegate setup`: what a cloud has to be told so that it trusts Tidegate with a bucket.
//!
//! What the configuration says is taken from there; before there is one, options say it. Nothing is called: the text is
//! for whoever has the right to change the cloud.

pub mod aws;
pub mod gcp;
mod known;
pub mod minio;
#[cfg(test)]
mod tests;

use crate::operation::{BucketName, KeyPrefix};
use crate::setup::{Access, Format, NameError, Names, Plain};
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;

/// `tidegate setup`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Which cloud.
    #[command(subcommand)]
    pub cloud: Cloud,
}

/// Which cloud.
#[derive(Debug, clap::Subcommand)]
pub enum Cloud {
    /// AWS: OIDC provider, role, what it may do, and a bucket that admits nobody else
    #[command(after_help = aws::EXAMPLES)]
    Aws(Box<aws::Args>),
    /// Google Cloud: workload identity pool, role on the bucket, data access logs
    #[command(after_help = gcp::EXAMPLES)]
    Gcp(Box<gcp::Args>),
    /// MinIO: policy, and keys or an identity provider
    #[command(after_help = minio::EXAMPLES)]
    Minio(Box<minio::Args>),
}

/// What all clouds are asked.
#[derive(Debug, clap::Args)]
pub struct Common {
    /// The bucket, by the name callers use
    #[arg(long, value_name = "NAME", value_parser = BucketName::parse)]
    pub bucket: BucketName,
    /// The configuration; without it, options say what it would
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// How much Tidegate may do there; default: what the bucket's policies may permit, or `write` without a configuration
    #[arg(long, value_enum)]
    pub access: Option<Access>,
    /// The bucket's name in the cloud; default: the same
    #[arg(long, value_name = "NAME", value_parser = BucketName::parse, conflicts_with = "config")]
    pub target_bucket: Option<BucketName>,
    /// The folder of it, such as `teams/a/`; default: all of it
    #[arg(long, value_name = "FOLDER", value_parser = KeyPrefix::parse, conflicts_with = "config")]
    pub prefix: Option<KeyPrefix>,
    /// What the configuration will call the target; default: the bucket's name
    #[arg(long, value_name = "NAME", value_parser = plain(Names::OWN), conflicts_with = "config")]
    pub target: Option<Plain>,
    /// `[issuer] url` of the configuration, or that of whoever else issues the tokens
    #[arg(long, value_name = "URL", value_parser = plain(Names::ISSUER))]
    pub issuer: Option<Plain>,
    /// The audience of the tokens; default: what the cloud expects
    #[arg(long, value_name = "TEXT", value_parser = plain(Names::AUDIENCE))]
    pub audience: Option<Plain>,
    /// The subject of tokens that are not Tidegate's own
    #[arg(long, value_name = "TEXT", value_parser = plain(Names::SUBJECT))]
    pub subject: Option<Plain>,
    /// Sessions are in the name of principals of this issuer in `[[issuers]]`; may be repeated
    #[arg(long = "principals-of", value_name = "NAME", value_parser = plain(Names::OWN), conflicts_with = "config")]
    pub principals_of: Vec<Plain>,
}

const EXAMPLES: &str = "\
Examples:
  tidegate setup aws --bucket lake --config tidegate.toml                     commands to paste
  tidegate setup gcp --bucket lake --config tidegate.toml --format terraform > lake.tf
  tidegate setup minio --bucket lake --config tidegate.toml --format json

Nothing is called and nothing is changed. What to know about it goes to standard error.

Exit codes: 0 it was printed, 1 something is missing or wrong, 2 the command was not understood.";

type Refusal = Box<dyn Error>;

/// Prints it to `out`, and to `notes` what to know about it.
///
/// # Errors
/// What is missing, or wrong with the configuration.
pub fn run(args: &Args, out: &mut dyn Write, notes: &mut dyn Write) -> Result<bool, Refusal> {
    let printed = match &args.cloud {
        Cloud::Aws(args) => aws::print(args)?,
        Cloud::Gcp(args) => gcp::print(args)?,
        Cloud::Minio(args) => minio::print(args)?,
    };
    out.write_all(printed.text.as_bytes())?;
    for note in printed.notes {
        writeln!(notes, "tidegate: {note}")?;
    }
    Ok(true)
}

fn plain(names: Names) -> impl Fn(&str) -> Result<Plain, NameError> + Clone + Send + Sync {
    move |text| names.parse(text)
}
