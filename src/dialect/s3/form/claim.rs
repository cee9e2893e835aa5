//! Who signed the form: SigV4 over the base64 of its policy.

use super::super::claim::{ALGORITHM, basic_date, credential_scope, hex32};
use super::super::error::S3Error;
use super::fields::Fields;
use super::policy::Policy;
use crate::authn::{Claim, SignatureClaim, SignatureForm, Signs};

/// Fields of a signature, any of which needs all of them.
const OF_SIGNATURE: [&str; 5] = [
    "policy",
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-signature",
];

/// Reads the claim. A form without any field of a signature comes from nobody.
///
/// # Errors
/// `InvalidArgument` for a field that is missing or malformed, `InvalidRequest` for another kind of signature.
pub(super) fn read(fields: &Fields, policy: Option<&Policy>) -> Result<Claim, S3Error> {
    let unsupported = || {
        S3Error::invalid_request(
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
        )
    };
    // SIG-09: version 2, which signs with SHA-1.
    if ["awsaccesskeyid", "signature"]
        .iter()
        .any(|name| fields.get(name).is_some())
    {
        return Err(unsupported());
    }
    let Some(policy) = policy else {
        return match OF_SIGNATURE.iter().any(|name| fields.get(name).is_some()) {
            true => fields.required("policy").and(Ok(Claim::Anonymous)),
            false => Ok(Claim::Anonymous),
        };
    };
    let malformed = |name: &'static str, rule: &str| {
        S3Error::invalid_argument(format!("`{name}` must be {rule}")).with("ArgumentName", name)
    };
    if fields.required("x-amz-algorithm")? != ALGORITHM {
        return Err(unsupported());
    }
    let (access_key_id, scope) = credential_scope(fields.required("x-amz-credential")?).ok_or_else(|| {
        malformed(
            "x-amz-credential",
            "`access-key-id/yyyymmdd/region/service/aws4_request`",
        )
    })?;
    let signed_at_text = fields.required("x-amz-date")?;
    let signed_at = basic_date(signed_at_text)
        .ok_or_else(|| malformed("x-amz-date", "of the form `yyyymmddThhmmssZ`"))?;
    let signature = hex32(fields.required("x-amz-signature")?)
        .ok_or_else(|| malformed("x-amz-signature", "64 lower-case hex digits"))?;
    Ok(Claim::Signature(Box::new(SignatureClaim {
        form: SignatureForm::Form {
            expiration: policy.expiration(),
        },
        access_key_id: access_key_id.into(),
        scope,
        signed_at,
        signed_at_text: signed_at_text.into(),
        session_token: fields.get("x-amz-security-token").map(Box::from),
        // INVARIANT: base64 that was decoded. No other text that we verify signatures of is.
        signs: Signs::Policy(fields.required("policy")?.into()),
        signature,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "eyJleHBpcmF0aW9uIjoiMjAzMC0wMS0wMVQwMDowMDowMFoiLCJjb25kaXRpb25zIjpbXX0=";

    fn check(change: &[(&str, Option<&str>)], expected: Result<&str, &str>) {
        let signature = "a".repeat(64);
        let mut form = vec![
            ("policy", POLICY),
            ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
            ("x-amz-credential", "TGIA/20291231/gateway/s3/aws4_request"),
            ("x-amz-date", "20291231T235900Z"),
            ("x-amz-signature", &signature),
        ];
        for (name, value) in change {
            form.retain(|(known, _)| known != name);
            form.extend(value.map(|value| (*name, value)));
        }
        let mut fields = Fields::default();
        for (name, value) in form {
            fields.insert(name, value).unwrap();
        }
        let policy = fields.get("policy").map(|policy| Policy::parse(policy).unwrap());
        let found = read(&fields, policy.as_ref()).map_err(|error| error.code.into_owned());
        let found = found.map(|claim| match claim {
            Claim::Anonymous | Claim::Bearer(_) => "nobody".to_owned(),
            Claim::Signature(claim) => format!("{} {:?}", claim.access_key_id, claim.signs),
        });
        assert_eq!(
            found,
            expected.map(str::to_owned).map_err(str::to_owned),
            "{change:?}"
        );
    }

    // SIG-05, SIG-08, SIG-09
    #[test]
    fn a_signature_is_whole_or_refused() {
        check(&[], Ok(&format!("TGIA Policy({POLICY:?})")));
        let missing = Err("InvalidArgument");
        for name in OF_SIGNATURE {
            check(&[(name, None)], missing);
        }
        check(&OF_SIGNATURE.map(|name| (name, None)), Ok("nobody"));
        let unsupported = Err("InvalidRequest");
        check(
            &[("x-amz-algorithm", Some("AWS4-ECDSA-P256-SHA256"))],
            unsupported,
        );
        check(&[("x-amz-algorithm", Some("aws4-hmac-sha256"))], unsupported);
        check(&[("AWSAccessKeyId", Some("A"))], unsupported);
        check(&[("signature", Some("A"))], unsupported);
        check(&[("x-amz-credential", Some("TGIA/20291231/gateway/s3"))], missing);
        check(
            &[("x-amz-credential", Some("TGIA/2029/gateway/s3/aws4_request"))],
            missing,
        );
        check(
            &[("x-amz-credential", Some("TGIA/20291231/gateway/s3/aws5_request"))],
            missing,
        );
        for date in [
            "",
            "20291231T235900z",
            "20291231",
            "20291331T235900Z",
            "2029-12-31T23:59:00Z",
        ] {
            check(&[("x-amz-date", Some(date))], missing);
        }
        for signature in ["", "a", &"A".repeat(64), &"a".repeat(66)] {
            check(&[("x-amz-signature", Some(signature))], missing);
        }
    }
}
