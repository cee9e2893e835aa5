//! For `fuzz/`: a caller's document and what is written of it for the target are read alike.

use super::{
    LEGAL_HOLD, RESTORE, RETENTION, parse_complete, parse_delete, parse_tags, rebuild, rebuild_policy,
    rebuild_setting, write_complete, write_delete, write_tags,
};
use crate::operation::{BucketName, KeyPrefix};

/// The document of a DeleteObjects call. AUZ-05
pub fn delete(data: &[u8]) {
    let Ok(bucket) = BucketName::parse("lake") else {
        return;
    };
    if let Ok((objects, quiet)) = parse_delete(data, &bucket) {
        let Ok(written) = write_delete(&objects, quiet, &KeyPrefix::default()) else {
            unreachable!("a key without a prefix has the length that it had");
        };
        assert_eq!(parse_delete(&written, &bucket), Ok((objects, quiet)));
    }
}

/// The document of a CompleteMultipartUpload call. AUZ-06
pub fn complete(data: &[u8]) {
    if let Ok(parts) = parse_complete(data) {
        assert_eq!(parse_complete(&write_complete(&parts)), Ok(parts));
    }
}

/// A byte that says which, and a document of tags, of a fixed form, of a setting or of a policy.
pub fn control(data: &[u8]) {
    let Some((which, document)) = data.split_first() else {
        return;
    };
    let form = match which {
        b't' => {
            if let Ok(tags) = parse_tags(document) {
                assert_eq!(parse_tags(&write_tags(&tags)), Ok(tags));
            }
            return;
        }
        b'p' => {
            if let Ok(written) = rebuild_policy(document) {
                assert_eq!(rebuild_policy(&written).as_ref(), Ok(&written));
            }
            return;
        }
        b'r' => &RETENTION,
        b'h' => &LEGAL_HOLD,
        b'a' => &RESTORE,
        _ => {
            for root in ["CORSConfiguration", "AccessControlPolicy"] {
                if let Ok(written) = rebuild_setting(document, root) {
                    assert_eq!(rebuild_setting(&written, root).as_ref(), Ok(&written));
                }
            }
            return;
        }
    };
    if let Ok(written) = rebuild(document, form) {
        assert_eq!(rebuild(&written, form).as_ref(), Ok(&written));
    }
}
