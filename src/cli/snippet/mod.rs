//! `tidegate snippet`: what to paste into a client, filled in.
//!
//! The hazard is documentation that is nearly right. So there is one text for each client and door, in `templates/`: this
//! command prints it, the pages under `docs/clients/` contain what this command prints (a test compares them), and the
//! suite of real clients pastes it and works with it.

mod template;
#[cfg(test)]
mod tests;
mod values;

use crate::client::{Choice, REGION, Settings};
use crate::config::Environment;
use std::error::Error;
use std::io::Write;

/// `tidegate snippet`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Which client; without it they are listed
    #[arg(value_parser = CLIENTS.map(|client| client.name))]
    pub client: Option<String>,
    /// The way to a session, if the client has several; the first that is listed is the default
    #[arg(long)]
    pub door: Option<Door>,
    /// Tidegate's address [env: TIDEGATE_ENDPOINT]; where nobody says, the text has that of an example
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// The bucket that the example uses
    #[arg(long)]
    pub bucket: Option<String>,
    /// What the settings are called
    #[arg(long, default_value = "tidegate")]
    pub profile: String,
    /// Certificates that Tidegate's is signed by, if they are not public ones [env: TIDEGATE_CA]
    #[arg(long, value_name = "FILE")]
    pub ca: Option<String>,
    /// The role to assume
    #[arg(long)]
    pub role: Option<String>,
    /// The region that clients are told. Tidegate takes any, and boto3 presigns as it should with none of Amazon's
    #[arg(long, default_value = REGION)]
    pub region: String,
    /// Where `tidegate credential-process` has its identity from; default: what is usual for the client
    #[arg(long, value_name = "KIND")]
    pub identity: Option<String>,
    /// The file with the identity token, which something else keeps fresh
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<String>,
    /// This program, where the client finds it
    #[arg(long, value_name = "FILE", default_value = "/usr/local/bin/tidegate")]
    pub binary: String,
}

/// A way to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Door {
    /// The client runs `tidegate credential-process`
    CredentialProcess,
    /// The client trades its token at the STS
    WebIdentity,
    /// The client fetches keys with its token
    Container,
    /// The client keeps two strings
    ServiceKey,
    /// The client gets the keys of one session in its environment
    Env,
    /// The client trades its token as RFC 8693 says: Google's, with an `external_account` file
    TokenExchange,
}

/// A client and what it takes.
#[derive(Debug)]
struct Client {
    name: &'static str,
    what: &'static str,
    /// The bucket of the example.
    bucket: &'static str,
    /// Where its identity usually comes from.
    identity: &'static str,
    /// The first is the default.
    ways: &'static [(Door, &'static str)],
}

const EXAMPLES: &str = "\
Examples:
  tidegate snippet                                                    list the clients
  tidegate snippet aws --endpoint https://s3.acme.example
  tidegate snippet rclone --door web-identity --token-file /run/secrets/tidegate/token
  tidegate snippet spark --ca /etc/tidegate/ca.pem > tidegate-init.sh

docs/clients/ has a page for each: what refreshes when, and what the errors mean.";

/// Prints the settings, or the list, to `out`, and to `notes` what people should know about them.
///
/// What the arguments do not say of the gateway, the settings of the other commands do.
///
/// # Errors
/// A value that is not plainly a name, an address or a path, or settings that cannot be read.
pub fn run(
    args: &Args,
    environment: &Environment,
    out: &mut dyn Write,
    notes: &mut dyn Write,
) -> Result<bool, Box<dyn Error>> {
    let Some(client) = CLIENTS
        .iter()
        .find(|client| Some(client.name) == args.client.as_deref())
    else {
        for client in &CLIENTS {
            writeln!(out, "{:<11} {:<44} {}", client.name, client.what, client.doors())?;
        }
        return Ok(true);
    };
    let settings = Settings::resolve(&Choice::default(), environment)?;
    let mut args = args.clone();
    args.endpoint = args.endpoint.or(settings.endpoint);
    args.ca = args.ca.or_else(|| Some(settings.ca?.display().to_string()));
    let values = values::of(&args, client)?;
    let template = client.template(args.door)?;
    let text = template::fill(template, &values).ok_or("the template is damaged: please report it")?;
    out.write_all(text.as_bytes())?;
    if args.endpoint.is_none() {
        writeln!(
            notes,
            "tidegate: {} is an example; say `--endpoint` for yours",
            values::EXAMPLE
        )?;
    }
    Ok(true)
}

impl Client {
    fn template(&self, door: Option<Door>) -> Result<&'static str, String> {
        let mut ways = self.ways.iter();
        let way = match door {
            None => ways.next(),
            Some(door) => ways.find(|(has, _)| *has == door),
        };
        way.map(|(_, template)| *template).ok_or_else(|| {
            let asked = door.map_or("", Door::name);
            format!("{} has no door `{asked}`; expected {}", self.name, self.doors())
        })
    }

    fn doors(&self) -> String {
        let names: Vec<_> = self.ways.iter().map(|(door, _)| door.name()).collect();
        names.join(", ")
    }
}

impl Door {
    fn name(self) -> &'static str {
        match self {
            Self::CredentialProcess => "credential-process",
            Self::WebIdentity => "web-identity",
            Self::Container => "container",
            Self::ServiceKey => "service-key",
            Self::Env => "env",
            Self::TokenExchange => "token-exchange",
        }
    }
}

macro_rules! ways {
    ($client:literal, $first:ident = $file:literal $(, $next:ident = $other:literal)*) => {
        &[
            (Door::$first, include_str!(concat!("templates/", $client, ".", $file, ".txt"))),
            $((Door::$next, include_str!(concat!("templates/", $client, ".", $other, ".txt"))),)*
        ]
    };
}

/// All of them, those that most people look for first.
const CLIENTS: [Client; 16] = [
    Client {
        name: "aws",
        what: "AWS CLI, boto3 and the other AWS SDKs",
        bucket: "lake",
        identity: "login",
        ways: ways!(
            "aws",
            CredentialProcess = "credential-process",
            WebIdentity = "web-identity",
            Container = "container",
            Env = "env"
        ),
    },
    Client {
        name: "spark",
        what: "Spark with S3A, on Dataproc or elsewhere",
        bucket: "lake",
        identity: "gcp-metadata",
        ways: ways!("spark", CredentialProcess = "credential-process"),
    },
    Client {
        name: "rclone",
        what: "rclone",
        bucket: "lake",
        identity: "login",
        ways: ways!(
            "rclone",
            CredentialProcess = "credential-process",
            WebIdentity = "web-identity"
        ),
    },
    Client {
        name: "duckdb",
        what: "DuckDB",
        bucket: "lake",
        identity: "login",
        ways: ways!("duckdb", CredentialProcess = "credential-process"),
    },
    Client {
        name: "pyarrow",
        what: "pyarrow, and others on the AWS SDK for C++",
        bucket: "lake",
        identity: "login",
        ways: ways!("pyarrow", CredentialProcess = "credential-process"),
    },
    Client {
        name: "terraform",
        what: "Terraform and OpenTofu, the S3 backend",
        bucket: "infra",
        identity: "login",
        ways: ways!(
            "terraform",
            CredentialProcess = "credential-process",
            WebIdentity = "web-identity"
        ),
    },
    Client {
        name: "restic",
        what: "restic",
        bucket: "backups",
        identity: "file",
        ways: ways!("restic", CredentialProcess = "credential-process"),
    },
    Client {
        name: "barman",
        what: "barman-cloud, backups of PostgreSQL",
        bucket: "backups",
        identity: "file",
        ways: ways!("barman", CredentialProcess = "credential-process"),
    },
    Client {
        name: "pgbackrest",
        what: "pgBackRest, backups of PostgreSQL",
        bucket: "backups",
        identity: "file",
        ways: ways!("pgbackrest", ServiceKey = "service-key"),
    },
    Client {
        name: "duplicity",
        what: "duplicity",
        bucket: "backups",
        identity: "file",
        ways: ways!("duplicity", CredentialProcess = "credential-process"),
    },
    Client {
        name: "s3cmd",
        what: "s3cmd",
        bucket: "backups",
        identity: "file",
        ways: ways!("s3cmd", ServiceKey = "service-key", Env = "env"),
    },
    Client {
        name: "gcs-python",
        what: "google-cloud-storage for Python",
        bucket: "models",
        identity: "file",
        ways: ways!("gcs-python", TokenExchange = "token-exchange"),
    },
    Client {
        name: "gcsfs",
        what: "gcsfs: pandas, Dask and others with `gs://`",
        bucket: "models",
        identity: "file",
        ways: ways!("gcsfs", TokenExchange = "token-exchange"),
    },
    Client {
        name: "gcloud",
        what: "gcloud storage",
        bucket: "models",
        identity: "file",
        ways: ways!("gcloud", TokenExchange = "token-exchange"),
    },
    Client {
        name: "gcs-node",
        what: "@google-cloud/storage for Node",
        bucket: "models",
        identity: "file",
        ways: ways!("gcs-node", TokenExchange = "token-exchange"),
    },
    Client {
        name: "gcs-rclone",
        what: "rclone with Google Cloud Storage",
        bucket: "models",
        identity: "file",
        ways: ways!("gcs-rclone", TokenExchange = "token-exchange"),
    },
];
