//! Audiences: for whom a token was made.
//!
//! An audience that others share is no proof that a token was meant for us: whoever is shown such a token can show it
//! here.

use super::super::super::raw::Section;
use super::super::super::{Login, units};

const ACCEPTED: &str = "audiences, such as \"https://s3.example.com\"";

/// Audiences that everybody's tokens have, and of what.
const SHARED: [(&str, &str); 12] = [
    ("32555940559.apps.googleusercontent.com", "gcloud, for everybody"),
    (
        "764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com",
        "Google's application default credentials, for everybody",
    ),
    (
        "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
        "the Azure CLI, in every tenant",
    ),
    (
        "1950a258-227b-4e31-a9cf-717495945fc2",
        "Azure PowerShell, in every tenant",
    ),
    ("00000003-0000-0000-c000-000000000000", "Microsoft Graph"),
    ("https://graph.microsoft.com", "Microsoft Graph"),
    ("https://management.azure.com", "Azure's own API"),
    ("https://management.core.windows.net", "Azure's own API"),
    ("https://kubernetes.default.svc", "the API server of Kubernetes"),
    (
        "https://kubernetes.default.svc.cluster.local",
        "the API server of Kubernetes",
    ),
    ("https://container.googleapis.com", "the API server of Kubernetes"),
    ("https://sts.googleapis.com", "Google's token service"),
];

/// `audiences`; for people who log in, the client's id if nothing is written. `None` was reported.
pub(super) fn read(section: &Section<'_>, login: Option<&Option<Login>>) -> Option<Vec<Box<str>>> {
    let client = login.and_then(Option::as_ref);
    match client {
        Some(login) if !section.has("audiences") => {
            if let Err(wrong) = own(&login.client_id) {
                section.site_of("login").problem(wrong, ACCEPTED);
                return None;
            }
            Some(vec![login.client_id.clone()])
        }
        _ => {
            let audiences = section.list("audiences", ACCEPTED, own);
            if audiences
                .iter()
                .flatten()
                .any(|audience| **audience == *"sts.amazonaws.com")
            {
                section.site_of("audiences").warning(
                    "tokens for Amazon's token service are accepted here, too: whoever gets one there can use it here",
                );
            }
            audiences
        }
    }
}

/// An audience that is nobody else's.
fn own(text: &str) -> Result<Box<str>, String> {
    let bare = text.strip_suffix('/').unwrap_or(text);
    match SHARED.iter().find(|(shared, _)| *shared == bare) {
        Some((_, whose)) => Err(format!(
            "the audience of {whose}: such a token is not meant for this service"
        )),
        None => units::word(text, 512).map_err(str::to_owned),
    }
}
