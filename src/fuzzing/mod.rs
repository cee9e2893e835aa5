//! What `fuzz/` feeds: functions that take any bytes, and panic if something that must hold does not.
//!
//! They hold more than that nothing panics: what was read is written and read again, and must be the same; two ways
//! to cut the same bytes must give the same. Each stands in the room whose parser it tries, because the parsers are
//! private there. `fuzz/README.md` says how they are run; as a unit test, each takes its seeds, which include the
//! inputs that once found something.

pub(crate) mod outward;

pub use crate::dialect::gcs::multipart::fuzzing::{gcs_batch, gcs_related};
pub use crate::dialect::s3::fuzzing::{
    address, authorization, chunked, complete, control, copy_source, delete, form, presign, query, request,
};
pub use crate::listener::fuzzing::head;

/// What takes any bytes.
pub type Target = fn(&[u8]);

/// Each function by the name of its folder of seeds.
pub const ALL: &[(&str, Target)] = &[
    ("address", address),
    ("authorization", authorization),
    ("chunked", chunked),
    ("complete", complete),
    ("control", control),
    ("copy_source", copy_source),
    ("delete", delete),
    ("form", form),
    ("gcs_batch", gcs_batch),
    ("gcs_related", gcs_related),
    ("head", head),
    ("presign", presign),
    ("query", query),
    ("request", request),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_seed_holds() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
        for (name, function) in ALL {
            let target = fuzz.join("fuzz_targets").join(format!("{name}.rs"));
            assert!(target.is_file(), "add `{}`", target.display());
            let folder = fuzz.join("seeds").join(name);
            let mut seeds = 0;
            for seed in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
                let seed = seed.unwrap().path();
                // Shown if the next line panics.
                println!("{}", seed.display());
                function(&std::fs::read(seed).unwrap());
                seeds += 1;
            }
            assert!(seeds > 0, "`{}` has no seed", folder.display());
        }
    }
}
