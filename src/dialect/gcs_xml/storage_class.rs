//! Storage classes in headers, to Google and back.
//!
//! On the way in they become what policies have decided about. On the way out no class is called `GLACIER` or `DEEP_ARCHIVE`, because
//! clients do not read such objects without restoring them first, while Google gives all of them at once.
//!
//! Spec: <https://cloud.google.com/storage/docs/storage-classes>

use super::Untranslatable;
use crate::operation::class_at_google;

/// Google's class for what a caller asked for: a name of Amazon's, or one of Google's own.
pub(super) fn of_amazon(class: &str) -> Result<&'static str, Untranslatable> {
    class_at_google(class).ok_or_else(|| match class {
        "INTELLIGENT_TIERING" => Untranslatable::Header {
            name: NAME.to_owned(),
            lack: "has no `INTELLIGENT_TIERING` for an object: leave the class out and have Autoclass switched on for \
                   the bucket",
        },
        _ => Untranslatable::Value {
            name: NAME,
            wrong: "use `STANDARD`, `STANDARD_IA` (Nearline), `GLACIER_IR` (Coldline) or `DEEP_ARCHIVE` (Archive)",
        },
    })
}

const NAME: &str = "x-amz-storage-class";

/// Amazon's class for one of Google's, as in a listing.
pub(crate) fn of_google(class: &str) -> &'static str {
    match class {
        "NEARLINE" => "STANDARD_IA",
        "COLDLINE" | "ARCHIVE" => "GLACIER_IR",
        // `STANDARD`, and the names that it had in earlier years.
        _ => "STANDARD",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_a_counterpart_that_is_kept_as_long() {
        let check = |amazon: &str, google: &str, back: &str| {
            assert_eq!(of_amazon(amazon), Ok(google), "{amazon}");
            assert_eq!(of_google(google), back, "{google}");
        };
        check("STANDARD", "STANDARD", "STANDARD");
        check("REDUCED_REDUNDANCY", "STANDARD", "STANDARD");
        check("STANDARD_IA", "NEARLINE", "STANDARD_IA");
        check("ONEZONE_IA", "NEARLINE", "STANDARD_IA");
        check("GLACIER_IR", "COLDLINE", "GLACIER_IR");
        check("GLACIER", "COLDLINE", "GLACIER_IR");
        check("DEEP_ARCHIVE", "ARCHIVE", "GLACIER_IR");
        check("ARCHIVE", "ARCHIVE", "GLACIER_IR");
        assert_eq!(of_google("MULTI_REGIONAL"), "STANDARD");
        assert!(!of_amazon("INTELLIGENT_TIERING").unwrap_err().is_invalid());
        for class in ["", "standard", "EXPRESS_ONEZONE", "SNOW"] {
            assert!(of_amazon(class).unwrap_err().is_invalid(), "{class}");
        }
    }
}
