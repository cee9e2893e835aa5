//! The documents that Tidegate answers from its own knowledge, without asking a target.

use super::writer::Xml;
use crate::operation::BucketName;
use bytes::Bytes;

/// The answer to ListBuckets: the buckets that policy lets the caller see, with their creation times (RFC 3339).
/// `next` is the continuation token, if there are more.
pub(crate) fn list_buckets(owner: &str, buckets: &[(&BucketName, &str)], next: Option<&str>) -> Bytes {
    let mut xml = Xml::document();
    xml.root("ListAllMyBucketsResult");
    xml.open("Owner");
    xml.element("ID", owner);
    xml.element("DisplayName", owner);
    xml.close("Owner");
    xml.open("Buckets");
    for (bucket, created) in buckets {
        xml.open("Bucket");
        xml.element("Name", bucket.as_str());
        xml.element("CreationDate", created);
        xml.close("Bucket");
    }
    xml.close("Buckets");
    if let Some(token) = next {
        xml.element("ContinuationToken", token);
    }
    xml.close("ListAllMyBucketsResult");
    xml.finish()
}

/// The answer to GetBucketLocation. `us-east-1` is written as nothing, as at S3.
pub(crate) fn location(region: Option<&str>) -> Bytes {
    let mut xml = Xml::document();
    xml.root("LocationConstraint");
    xml.text(region.filter(|region| *region != "us-east-1").unwrap_or_default());
    xml.close("LocationConstraint");
    xml.finish()
}

/// The answer to a form that asked for a 201. S3 gives it no namespace.
pub(crate) fn post_response(location: &str, bucket: &str, key: &str, etag: &str) -> Bytes {
    let mut xml = Xml::document();
    xml.open("PostResponse");
    for (name, text) in [
        ("Location", location),
        ("Bucket", bucket),
        ("Key", key),
        ("ETag", etag),
    ] {
        xml.element(name, text);
    }
    xml.close("PostResponse");
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    const XMLNS: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

    #[test]
    fn buckets_are_listed_with_their_owner() {
        let lake = BucketName::parse("lake").unwrap();
        assert_eq!(
            list_buckets("google:<ana>", &[(&lake, "2026-01-01T00:00:00.000Z")], None),
            format!(
                "{HEAD}<ListAllMyBucketsResult {XMLNS}><Owner><ID>google:&lt;ana&gt;</ID><DisplayName>google:\
                 &lt;ana&gt;</DisplayName></Owner><Buckets><Bucket><Name>lake</Name><CreationDate>\
                 2026-01-01T00:00:00.000Z</CreationDate></Bucket></Buckets></ListAllMyBucketsResult>"
            )
        );
    }

    #[test]
    fn the_first_region_has_no_name() {
        let check = |region, text: &str| {
            let expected = format!("{HEAD}<LocationConstraint {XMLNS}>{text}</LocationConstraint>");
            assert_eq!(location(region), expected);
        };
        check(None, "");
        check(Some("us-east-1"), "");
        check(Some("eu-central-1"), "eu-central-1");
    }

    #[test]
    fn a_form_is_answered_with_where_its_file_is() {
        assert_eq!(
            post_response("https://s3.tidegate.test/lake/a", "lake", "a&b", "\"e\""),
            format!(
                "{HEAD}<PostResponse><Location>https://s3.tidegate.test/lake/a</Location><Bucket>lake</Bucket>\
                 <Key>a&amp;b</Key><ETag>&quot;e&quot;</ETag></PostResponse>"
            )
        );
    }
}
