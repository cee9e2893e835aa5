//! The log.

use std::io::IsTerminal;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer, filter, fmt, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt,
};

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is not one.
    #[error("`{filter}` is not a log filter: write a level or `target=level`, with commas between")]
    Filter {
        /// As it was given.
        filter: String,
        /// Why.
        #[source]
        source: filter::ParseError,
    },
    /// Something else has been installed before.
    #[error("the log has been set up already")]
    Again(#[source] tracing_subscriber::util::TryInitError),
}

/// What is logged if nobody says otherwise.
const DEFAULT_FILTER: &str = "info";

/// Libraries that see headers and bodies. They print them below `info`, and with them every credential of
/// every caller, so no filter opens them further (AUD-05).
const WIRE: &[&str] = &[
    "aws_config",
    "aws_runtime",
    "aws_sdk_sts",
    "aws_sigv4",
    "aws_smithy_http",
    "aws_smithy_runtime",
    "aws_smithy_runtime_api",
    "h2",
    "hyper",
    "hyper_util",
    "rustls",
    "tokio_rustls",
    "tower_http",
];

/// Starts logging to stderr. `filter` is in the syntax of `tracing_subscriber`'s `EnvFilter`; without one it is
/// `info`.
///
/// # Errors
/// [`LogError`] if the filter is malformed or a log was set up before.
pub fn init(format: LogFormat, filter: Option<&str>) -> Result<(), LogError> {
    let colours = std::io::stderr().is_terminal();
    subscriber(format, filter, colours, std::io::stderr)?
        .try_init()
        .map_err(LogError::Again)
}

fn subscriber<W>(
    format: LogFormat,
    filter: Option<&str>,
    colours: bool,
    writer: W,
) -> Result<impl Subscriber + Send + Sync, LogError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = filter
        .map(str::trim)
        .filter(|f| !f.is_empty())
        .unwrap_or(DEFAULT_FILTER);
    let wanted = EnvFilter::builder()
        .parse(filter)
        .map_err(|source| LogError::Filter {
            filter: filter.to_owned(),
            source,
        })?;
    // An error of the log itself is not printed: with stderr closed that would be a panic.
    let lines = fmt::layer().with_writer(writer).log_internal_errors(false);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(colours).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_ansi(false).boxed(),
    };
    Ok(tracing_subscriber::registry()
        .with(wanted)
        .with(filter::filter_fn(is_harmless))
        .with(lines))
}

fn is_harmless(event: &Metadata<'_>) -> bool {
    let library = event.target().split("::").next().unwrap_or_default();
    *event.level() <= Level::INFO || !WIRE.contains(&library)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, filter: Option<&str>, events: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(format, filter, false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, events);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn info_is_the_default_and_a_filter_changes_it() {
        let events = || {
            tracing::info!("plain");
            tracing::debug!("detail");
        };
        let text = logged(LogFormat::Text, None, events);
        assert!(text.contains("plain") && !text.contains("detail"), "{text}");
        let text = logged(LogFormat::Text, Some("  "), events);
        assert!(text.contains("plain"), "{text}");
        let text = logged(LogFormat::Text, Some("debug"), events);
        assert!(text.contains("detail"), "{text}");
        let text = logged(LogFormat::Text, Some("error"), events);
        assert_eq!(text, "");
    }

    #[test]
    fn json_lines_are_objects_with_the_fields_at_the_top() {
        let text = logged(LogFormat::Json, None, || {
            tracing::warn!(issuer = "a", "keys cannot be fetched")
        });
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "keys cannot be fetched");
        assert_eq!(line["issuer"], "a");
    }

    // AUD-05
    #[test]
    fn libraries_that_see_the_wire_cannot_be_opened_below_info() {
        let events = || {
            tracing::trace!(target: "h2::codec::framed_read", "authorization: canary");
            tracing::debug!(target: "hyper::proto::h1", "authorization: canary");
            tracing::debug!(target: "rustls", "canary");
            tracing::warn!(target: "hyper::proto::h1", "broken");
        };
        let text = logged(
            LogFormat::Text,
            Some("trace,h2=trace,hyper::proto=trace,rustls=trace"),
            events,
        );
        assert!(!text.contains("canary") && text.contains("broken"), "{text}");
    }

    #[test]
    fn a_line_cannot_be_forged() {
        let text = logged(LogFormat::Json, None, || {
            tracing::info!(name = "a\nb\u{1b}[2J", "x")
        });
        assert_eq!(text.lines().count(), 1);
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn a_malformed_filter_is_refused() {
        let outcome = subscriber(LogFormat::Text, Some("tidegate=loud"), false, io::sink);
        assert!(matches!(outcome.err(), Some(LogError::Filter { .. })));
    }
}
