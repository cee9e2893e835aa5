use super::*;

#[test]
fn a_line_says_how_what_where_whose_and_what_mends_it() {
    let line = Line::fail(
        "bucket",
        "lake",
        "put: 403 AccessDenied",
        Side::Target,
        "allow it",
    );
    assert_eq!(
        line.to_string(),
        "FAIL  bucket lake            put: 403 AccessDenied [target]. Fix: allow it"
    );
    assert_eq!(
        line.clone().as_warning().to_string(),
        "warn  bucket lake            put: 403 AccessDenied [target]. Fix: allow it"
    );
    assert_eq!(
        Line::ok("clock", "", "in step").to_string(),
        "ok    clock                  in step"
    );
    let lines = [line.clone().as_warning(), Line::skip("gcs", "", "no target")];
    assert!(is_well(&lines), "warnings keep nothing from working");
    assert!(!is_well(&[line]));
    let document = document(&lines);
    assert_eq!(document["well"], true);
    assert_eq!(document["checks"][0]["side"], "target");
    assert_eq!(document["checks"][1]["outcome"], "skip");
    assert_eq!(document["checks"][1]["fix"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn what_hangs_or_breaks_is_a_finding_in_its_own_place() {
    use super::ward::{Seen, Ward};
    use std::time::Duration;
    let mut ward = Ward::default();
    let limit = Duration::from_secs(5);
    ward.admit(("target", "hangs"), limit, std::future::pending());
    ward.admit(("target", "breaks"), limit, async { panic!("a defect") });
    ward.admit(("target", "works"), limit, async {
        Seen::of(vec![Line::ok("target", "works", "")])
    });
    let lines = ward.discharge().await.lines;
    let found: Vec<_> = lines.iter().map(|line| (&*line.about, line.outcome)).collect();
    assert_eq!(
        found,
        [
            ("hangs", Outcome::Fail),
            ("breaks", Outcome::Fail),
            ("works", Outcome::Ok)
        ]
    );
}
