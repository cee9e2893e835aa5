//! `tidegate dev`, from the folder to the last signal: makes, starts, proves, serves, ends.

use super::{
    DevError, GcsBucket, GcsOptions, GcsStore, RunningProvider, Store,
    caller::Caller,
    configuration::{Addresses, Configuration, port_of},
    environment::{Environment, Folder, GOOGLE_BUCKET, GOOGLE_OBJECTS},
    proof::{self, Site},
    settings,
    tokens::Tokens,
};
use crate::admin::AdminError;
use crate::clock::Clock;
use crate::config;
use crate::listener::ListenerError;
use crate::run::{Server, StartError, stop_on_signal};
use std::{
    io::{self, ErrorKind, Write},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
};
use tokio_util::sync::CancellationToken;

/// A port that was free may be taken by somebody else before it is bound; not again and again.
const ATTEMPTS: usize = 8;

/// A token of a sample identity, for an environment that was served at least once.
///
/// # Errors
/// [`DevError::Missing`], [`DevError::UnknownIdentity`], or files that cannot be read.
pub fn token(dir: &Path, name: &str, clock: Clock) -> Result<String, DevError> {
    let (folder, configuration, provider) = Folder::existing(dir)?;
    let issuer = configuration.addresses().issuer.clone();
    let (token, _) = Tokens::new(&folder, &provider, issuer, clock).issue(name)?;
    Ok(token)
}

/// Makes or reuses the environment in `dir`, proves on `out` that it works, and serves until SIGTERM or SIGINT.
/// Without `listen`, callers connect where they did before.
///
/// # Errors
/// What could not be made, started or proved. Everything has ended then.
pub async fn serve(
    dir: &Path,
    listen: Option<SocketAddr>,
    clock: Clock,
    out: &mut dyn Write,
) -> Result<(), DevError> {
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    let environment = Environment::open_or_make(dir, &clock)?;
    let (server, parts) = Parts::start(&environment, listen, &clock).await?;
    let tokens = Tokens::new(
        environment.folder(),
        environment.provider(),
        parts.provider.issuer(),
        clock.clone(),
    );
    tokens.write()?;

    let (data, admin) = (server.data_address(), server.admin_address());
    let mut serving = tokio::spawn(server.run(stop.clone()));
    let session = async {
        let endpoint = endpoint(data);
        let folder = environment.folder();
        let said = welcome(&environment, &endpoint, admin, &parts);
        print(out, &said)?;
        let site = Site {
            endpoint: &endpoint,
            tokens: &tokens,
            store: &parts.store,
            google: parts.google.as_ref(),
            audit: &parts.audit,
            policy_was_edited: folder.policy_was_edited("lake"),
            models_policy_was_edited: folder.policy_was_edited("models"),
        };
        let caller = Caller::new(data, &folder.ca(), clock).map_err(|error| DevError::Proof {
            step: 1,
            expected: "a caller".to_owned(),
            found: crate::cli::describe(&error),
        })?;
        proof::prove(out, caller, &site).await?;
        print(out, &settings::text(&endpoint, folder, &program()))?;
        if parts.google.is_some() {
            print(out, &settings::google(&endpoint, folder))?;
        }
        print(out, &format!("\nServing on {endpoint} until Ctrl-C.\n"))?;
        match tokens.keep_fresh().await {}
    };
    let ended = tokio::select! {
        biased;
        () = stop.cancelled() => Ok(()),
        _ = &mut serving => return Err(DevError::Ended),
        failed = session => failed,
    };
    // Store and identity provider stay until the last request has ended.
    stop.cancel();
    serving.await.map_err(|_| DevError::Ended)?;
    ended
}

/// What runs beside the server.
struct Parts {
    store: Store,
    /// Unless the environment is of before there was one.
    google: Option<GcsStore>,
    provider: RunningProvider,
    audit: PathBuf,
}

impl Parts {
    /// Starts everything on the addresses of before, or on others where those are taken, and keeps what it got.
    async fn start(
        environment: &Environment,
        listen: Option<SocketAddr>,
        clock: &Clock,
    ) -> Result<(Server, Self), DevError> {
        let folder = environment.folder();
        let mut configuration = Configuration::read_or_new(folder.configuration())?;
        let kept = configuration.addresses().clone();
        let store = start_store(environment, port_of(&kept.store)).await?;
        let google = match &kept.google {
            Some(kept) => Some(start_google(environment, port_of(kept), clock).await?),
            None => None,
        };
        let provider = start_provider(environment, port_of(&kept.issuer)).await?;
        let (mut data, mut admin) = (listen.unwrap_or(kept.data), kept.admin);
        // An address that was asked for is had or refused; one that was only kept is replaced.
        let replaceable = listen.is_none_or(|asked| asked.port() == 0);
        for _ in 0..ATTEMPTS {
            if replaceable {
                data = free(data);
            }
            admin = free(admin);
            configuration.keep(Addresses {
                data,
                admin,
                issuer: provider.issuer(),
                store: format!("http://{}", store.address()),
                google: google.as_ref().map(GcsStore::url),
                login: kept.login.as_ref().map(|_| endpoint(data)),
            })?;
            match Server::start(configuration.path()).await {
                Ok(server) => {
                    if listen.is_none() && data != kept.data {
                        tell(&format!(
                            "{} is taken: listening on {data} instead; `--listen` chooses another address",
                            kept.data
                        ));
                    }
                    let audit = config::load(configuration.path())?.audit.file;
                    let parts = Self {
                        store,
                        google,
                        provider,
                        audit,
                    };
                    return Ok((server, parts));
                }
                Err(StartError::Listener(ListenerError::Bind { source, .. })) if is_taken(&source) => {
                    if !replaceable {
                        break;
                    }
                }
                Err(StartError::Admin(AdminError::Bind { source, .. })) if is_taken(&source) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(DevError::Taken(data))
    }
}

/// On `port`, if that can be had, so that `tidegate.toml` stays as it is.
async fn start_store(environment: &Environment, port: Option<u16>) -> Result<Store, DevError> {
    let (root, keys) = (environment.folder().store(), environment.store_keys());
    if let Some(port) = port
        && let Ok(store) = Store::start_on(&root, keys, port).await
    {
        return Ok(store);
    }
    Store::start(&root, keys).await.map_err(DevError::Store)
}

/// The same for the store that speaks Google's protocols. Its objects are put into a bucket that is new: what was
/// deleted stays deleted.
async fn start_google(
    environment: &Environment,
    port: Option<u16>,
    clock: &Clock,
) -> Result<GcsStore, DevError> {
    let root = environment.folder().google();
    let options = |port| GcsOptions {
        port,
        ..GcsOptions::new(&root, environment.google_token(), clock.clone())
    };
    let kept = match port {
        Some(port) => GcsStore::start(options(port)).await.ok(),
        None => None,
    };
    let store = match kept {
        Some(store) => store,
        None => GcsStore::start(options(0)).await.map_err(DevError::Store)?,
    };
    let made = store.make_bucket(GOOGLE_BUCKET, GcsBucket::default());
    if made.map_err(DevError::Store)? {
        for (name, content_type, content) in GOOGLE_OBJECTS {
            let put = store.put(GOOGLE_BUCKET, name, content_type, content.as_bytes());
            put.await.map_err(DevError::Store)?;
        }
    }
    Ok(store)
}

/// On `port`, if that can be had: it is part of `iss`.
async fn start_provider(environment: &Environment, port: Option<u16>) -> Result<RunningProvider, DevError> {
    let (provider, authority) = (environment.provider(), environment.authority());
    let dir = environment.folder().identity_provider();
    if let Some(port) = port {
        if let Ok(running) = provider.serve(authority, &dir, port).await {
            return Ok(running);
        }
        tell(&format!(
            "port {port} is taken: the identity provider moves, and tokens of before are no longer accepted"
        ));
    }
    provider
        .serve(authority, &dir, 0)
        .await
        .map_err(DevError::Provider)
}

/// `address`, or one on the same host with a port that nobody has. What is wrong with it otherwise is for the
/// listener to say.
fn free(address: SocketAddr) -> SocketAddr {
    let bound = match TcpListener::bind(address) {
        Err(error) if is_taken(&error) => TcpListener::bind((address.ip(), 0)),
        bound => bound,
    };
    bound
        .and_then(|listener| listener.local_addr())
        .unwrap_or(address)
}

fn is_taken(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrInUse
}

fn welcome(environment: &Environment, endpoint: &str, admin: SocketAddr, parts: &Parts) -> String {
    let made = if environment.is_new() { "made" } else { "reused" };
    let google = parts.google.as_ref().map(|google| {
        let url = google.url();
        format!("\n  store of gs://     {url}    (Google's JSON API; only Tidegate has its token)")
    });
    format!(
        "\
Development environment, {made}: {root}
  Tidegate           {endpoint}   (health and metrics: http://{admin})
  identity provider  {issuer}   (`tidegate dev token etl` prints a token)
  for browsers       {endpoint}/_tidegate/   (choose who you are; no password)
  store              http://{store}    (only Tidegate has its key){google}
  configuration      tidegate.toml; policies are in policies/, data is in store/ and google/

",
        root = environment.folder().root().display(),
        issuer = parts.provider.issuer(),
        store = parts.store.address(),
        google = google.unwrap_or_default(),
    )
}

fn print(out: &mut dyn Write, text: &str) -> Result<(), DevError> {
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(DevError::Output)
}

/// Where callers reach Tidegate.
fn endpoint(data: SocketAddr) -> String {
    format!("https://localhost:{}", data.port())
}

/// This program, for commands to paste: where it is, because that may not be on the path.
fn program() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| "tidegate".into())
}

/// For people, beside the result.
fn tell(line: &str) {
    // There is nobody left to tell if this fails.
    let _ = writeln!(io::stderr(), "tidegate: {line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_if_it_is_free() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = held.local_addr().unwrap();
        let other = free(address);
        assert_eq!(other.ip(), address.ip());
        assert_ne!(other.port(), address.port());
        drop(held);
        assert_eq!(free(address), address);
    }

    #[test]
    fn a_token_needs_an_environment() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::fixed("2026-11-20T10:00:00Z".parse().unwrap());
        assert!(matches!(
            token(dir.path(), "etl", clock).err(),
            Some(DevError::Missing(_))
        ));
    }
}
