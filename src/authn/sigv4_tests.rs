//! Inbound signatures: SIG-06 to SIG-12, against published vectors and an independent signer.

use super::{
    Authenticated, Authenticator, AuthnError, Claim, CredentialScope, IssuedSession, KeyRing, ScopeFlaw,
    Service, SessionError, SignatureClaim, SignatureForm, Signs, session, session_tests, sigv4,
};
use aws_lc_rs::{digest, hmac};
use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use std::{net::IpAddr, sync::Arc, time::Duration};

/// A documentation address.
const FROM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, bytes)
        .as_ref()
        .try_into()
        .unwrap()
}

fn text_of(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Signs `canonical_request` with a session's credentials, as a client would.
fn claim(
    session: &IssuedSession,
    form: SignatureForm,
    at: Timestamp,
    canonical_request: &str,
) -> SignatureClaim {
    let mut claim = SignatureClaim {
        form,
        access_key_id: session.access_key_id.clone(),
        scope: CredentialScope {
            date: text_of(at)[..8].into(),
            region: "us-east-1".into(),
            service: "s3".into(),
        },
        signed_at: Timestamp::from_second(at.as_second()).unwrap(),
        signed_at_text: text_of(at).into(),
        session_token: Some(session.session_token.expose_str().unwrap().into()),
        signs: Signs::CanonicalRequest(sha256(canonical_request.as_bytes())),
        signature: [0; 32],
    };
    sign(session, &mut claim);
    claim
}

fn sign(session: &IssuedSession, claim: &mut SignatureClaim) {
    claim.signature = signature(session.secret_access_key.expose(), claim);
}

fn signature(secret: &[u8], claim: &SignatureClaim) -> [u8; 32] {
    let key = sigv4::signing_key(secret, &claim.scope);
    let text = sigv4::string_to_sign(claim, &claim.scope.to_string());
    hmac::sign(&key, text.as_bytes()).as_ref().try_into().unwrap()
}

/// One gateway and one caller.
struct Scene {
    authenticator: Authenticator,
    session: IssuedSession,
    now: Timestamp,
}

impl Scene {
    fn new() -> Self {
        let ring = KeyRing::for_test(1);
        Self {
            session: session_tests::issue(&ring),
            authenticator: Authenticator::new(ring, Arc::default()),
            now: "2026-11-22T03:00:00Z".parse().unwrap(),
        }
    }

    fn header(&self) -> SignatureClaim {
        claim(&self.session, SignatureForm::Header, self.now, "GET\n/lake/a\n")
    }

    fn presigned(&self, expires: u64) -> SignatureClaim {
        let expires = Duration::from_secs(expires);
        claim(
            &self.session,
            SignatureForm::Presigned { expires },
            self.now,
            "GET\n/lake/a\n",
        )
    }

    /// A form whose policy counts until `expiration`.
    fn form(&self, policy: &str, expiration: Timestamp) -> SignatureClaim {
        let mut claim = claim(&self.session, SignatureForm::Form { expiration }, self.now, "");
        claim.signs = Signs::Policy(policy.into());
        sign(&self.session, &mut claim);
        claim
    }

    fn verify(&self, claim: SignatureClaim) -> Result<Authenticated, AuthnError> {
        self.verify_at(claim, self.now)
    }

    fn verify_at(&self, claim: SignatureClaim, now: Timestamp) -> Result<Authenticated, AuthnError> {
        let claim = Claim::Signature(Box::new(claim));
        self.authenticator.authenticate(&claim, Service::S3, FROM, now)
    }

    fn remembered(&self, claim: &SignatureClaim) -> bool {
        let token = claim.session_token.as_deref().unwrap();
        self.authenticator.remembers(token)
    }
}

/// The credentials of the examples in the S3 documentation.
const DOC_SECRET: &[u8] = b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

#[track_caller]
fn check_published(canonical_request: &str, expected: &str) {
    let claim = SignatureClaim {
        form: SignatureForm::Header,
        access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
        scope: CredentialScope {
            date: "20130524".into(),
            region: "us-east-1".into(),
            service: "s3".into(),
        },
        signed_at: "2013-05-24T00:00:00Z".parse().unwrap(),
        signed_at_text: "20130524T000000Z".into(),
        session_token: None,
        signs: Signs::CanonicalRequest(sha256(canonical_request.as_bytes())),
        signature: [0; 32],
    };
    assert_eq!(HEXLOWER.encode(&signature(DOC_SECRET, &claim)), expected);
}

#[test]
fn published_signatures_are_reproduced() {
    // https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, GET object with Range
    check_published(
        "GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\nrange:bytes=0-9\n\
         x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\
         x-amz-date:20130524T000000Z\n\nhost;range;x-amz-content-sha256;x-amz-date\n\
         e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    );
    // https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
    check_published(
        "GET\n/test.txt\nX-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2F\
         us-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\n\
         host:examplebucket.s3.amazonaws.com\n\nhost\nUNSIGNED-PAYLOAD",
        "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
    );
}

#[test]
fn a_request_of_an_independent_signer_is_accepted() {
    // The canonical request is written by hand; the signature comes from the `aws-sigv4` crate.
    use aws_sigv4::http_request as aws;
    let scene = Scene::new();
    let (token, host) = (
        scene.session.session_token.expose_str().unwrap(),
        "s3.tidegate.test:8443",
    );
    let identity = aws_credential_types::Credentials::new(
        &*scene.session.access_key_id,
        scene.session.secret_access_key.expose_str().unwrap(),
        Some(token.to_owned()),
        None,
        "test",
    )
    .into();
    let mut settings = aws::SigningSettings::default();
    settings.percent_encoding_mode = aws::PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = aws::UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = aws::PayloadChecksumKind::XAmzSha256;
    let parameters = aws_sigv4::sign::v4::SigningParams::builder()
        .identity(&identity)
        .region("external")
        .name("s3")
        .time(scene.now.into())
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let uri = format!("https://{host}/lake/a%20b/../c?partNumber=2&uploadId=U");
    let request = aws::SignableRequest::new(
        "PUT",
        &uri,
        [("host", host)].into_iter(),
        aws::SignableBody::Bytes(b"hello"),
    );
    let (_, signature) = aws::sign(request.unwrap(), &parameters).unwrap().into_parts();

    let body_hash = HEXLOWER.encode(&sha256(b"hello"));
    let canonical_request = format!(
        "PUT\n/lake/a%20b/../c\npartNumber=2&uploadId=U\nhost:{host}\nx-amz-content-sha256:{body_hash}\n\
         x-amz-date:{date}\nx-amz-security-token:{token}\n\n\
         host;x-amz-content-sha256;x-amz-date;x-amz-security-token\n{body_hash}",
        date = text_of(scene.now),
    );
    let mut claim = claim(
        &scene.session,
        SignatureForm::Header,
        scene.now,
        &canonical_request,
    );
    claim.scope.region = "external".into();
    claim.signature = HEXLOWER.decode(signature.as_bytes()).unwrap().try_into().unwrap();
    let caller = scene.verify(claim).unwrap();
    assert_eq!(caller.principal.id(), "google:etl@acme.test");
}

#[test]
fn a_verified_caller_is_the_session_principal_each_time() {
    // SIG-10: the second time is a replay, which SigV4 accepts within its time; it also is the cached way.
    let scene = Scene::new();
    for claim in [
        scene.header(),
        scene.header(),
        scene.presigned(60),
        scene.presigned(60),
    ] {
        let caller = scene.verify(claim).unwrap();
        assert_eq!(caller.principal.session(), scene.session.principal.session());
    }
}

// AUZ-14
#[test]
fn the_policy_of_a_form_is_what_its_signature_covers() {
    let scene = Scene::new();
    let later = scene.now + SignedDuration::from_mins(5);
    let form = scene.form("eyJhIjoxfQ==", later);
    let caller = scene.verify(form.clone()).unwrap();
    assert_eq!(caller.principal.session(), scene.session.principal.session());
    let check = |change: &dyn Fn(&mut SignatureClaim)| {
        let mut claim = form.clone();
        change(&mut claim);
        let error = scene.verify(claim).unwrap_err();
        let AuthnError::SignatureDoesNotMatch { string_to_sign, .. } = &error else {
            panic!("{error}");
        };
        // The policy names the session token.
        assert!(!string_to_sign.contains("eyJ"), "{string_to_sign}");
    };
    check(&|claim| claim.signs = Signs::Policy("eyJhIjoyfQ==".into()));
    check(&|claim| claim.signs = Signs::CanonicalRequest(sha256(b"eyJhIjoxfQ==")));
    check(&|claim| claim.scope.region = "us-east-2".into());
    check(&|claim| claim.signature[0] ^= 1);
    // A signature over a request is none over a policy that says the same.
    let request = scene.header();
    let said = sigv4::string_to_sign(&request, &request.scope.to_string());
    let mut laundered = scene.form(&said, later);
    assert_eq!(laundered.signature, request.signature);
    laundered.session_token = request.session_token;
    let error = scene.verify(laundered).unwrap_err();
    assert!(
        matches!(error, AuthnError::SignatureDoesNotMatch { .. }),
        "{error}"
    );
}

// SIG-07, SIG-08
#[test]
fn a_form_counts_until_its_policy_expires_and_for_seven_days_at_most() {
    let scene = Scene::new();
    let after = |minutes: i64| scene.now + SignedDuration::from_mins(minutes);
    let form = |minutes: i64| scene.form("e30=", after(minutes));
    let week = 7 * 24 * 60;
    for (expires, now, accepted) in [(5, 0, true), (5, 5, true), (60 * 24, 40, true), (5, -15, true)] {
        assert_eq!(
            scene.verify_at(form(expires), after(now)).is_ok(),
            accepted,
            "{expires} {now}"
        );
    }
    for (expires, now, end) in [(5, 6, 5), (-1, 0, -1), (2 * week, week + 1, week)] {
        let error = scene.verify_at(form(expires), after(now)).unwrap_err();
        assert!(
            matches!(error, AuthnError::PolicyExpired { expired_at, .. } if expired_at == after(end)),
            "{expires} {now}: {error}"
        );
    }
    let early = scene.verify_at(form(60), after(-16)).unwrap_err();
    assert!(matches!(early, AuthnError::NotYetValid { .. }), "{early}");
    // The session behind it may end before the policy does. SES-07
    let long = scene.form("e30=", scene.session.expires_at + SignedDuration::from_hours(1));
    let late = scene.verify_at(long, scene.session.expires_at).unwrap_err();
    assert!(matches!(late, AuthnError::ExpiredToken { .. }), "{late}");
    let mut other_day = form(60);
    other_day.scope.date = "20261121".into();
    sign(&scene.session, &mut other_day);
    let error = scene.verify(other_day).unwrap_err();
    assert!(matches!(error, AuthnError::MalformedScope { .. }), "{error}");
}

#[test]
fn the_chunk_chain_starts_at_the_verified_signature() {
    let scene = Scene::new();
    let claim = scene.header();
    let key = sigv4::signing_key(scene.session.secret_access_key.expose(), &claim.scope);
    let empty = HEXLOWER.encode(&sha256(b""));
    let text = format!(
        "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{}\n{empty}\n{}",
        claim.signed_at_text,
        claim.scope,
        HEXLOWER.encode(&claim.signature),
        HEXLOWER.encode(&sha256(b"chunk")),
    );
    let chunk = HEXLOWER.encode(hmac::sign(&key, text.as_bytes()).as_ref());
    let mut chain = scene.verify(claim).unwrap().chunk_signing;
    assert!(chain.verify_chunk(&sha256(b"chunk"), chunk.as_bytes()));
    assert!(
        !chain.verify_chunk(&sha256(b"chunk"), chunk.as_bytes()),
        "the chain has moved on"
    );
}

#[test]
fn every_flipped_bit_of_what_is_signed_is_noticed() {
    // SIG-06: canonical request hash and signature; on a session that is remembered and on one that is not.
    for warm in [false, true] {
        let scene = Scene::new();
        if warm {
            scene.verify(scene.header()).unwrap();
        }
        for good in [scene.header(), scene.presigned(60)] {
            for bit in 0..256 {
                let mut changed = good.clone();
                changed.signature[bit / 8] ^= 1 << (bit % 8);
                let error = scene.verify(changed).unwrap_err();
                assert!(matches!(error, AuthnError::SignatureDoesNotMatch { .. }));
                let mut changed = good.clone();
                let Signs::CanonicalRequest(hash) = &mut changed.signs else {
                    unreachable!("a request")
                };
                hash[bit / 8] ^= 1 << (bit % 8);
                let error = scene.verify(changed).unwrap_err();
                assert!(matches!(error, AuthnError::SignatureDoesNotMatch { .. }));
            }
        }
    }
}

#[test]
fn another_region_time_or_session_needs_another_signature() {
    // SIG-06
    let scene = Scene::new();
    scene.verify(scene.header()).unwrap();
    let check = |change: &dyn Fn(&mut SignatureClaim)| {
        let mut claim = scene.header();
        change(&mut claim);
        let error = scene.verify(claim).unwrap_err();
        assert!(
            matches!(error, AuthnError::SignatureDoesNotMatch { .. }),
            "{error}"
        );
    };
    check(&|claim| claim.scope.region = "us-east-2".into());
    check(&|claim| claim.scope.region = "".into());
    check(&|claim| {
        claim.signed_at += SignedDuration::from_secs(1);
        claim.signed_at_text = text_of(claim.signed_at).into();
    });
    let other = session_tests::issue(&KeyRing::for_test(1));
    check(&|claim| {
        claim.access_key_id = other.access_key_id.clone();
        claim.session_token = Some(other.session_token.expose_str().unwrap().into());
    });
}

#[test]
fn a_wrong_signature_is_answered_with_what_was_to_sign_and_no_token() {
    let scene = Scene::new();
    let mut claim = scene.header();
    claim.signature = [0; 32];
    let error = scene.verify(claim.clone()).unwrap_err();
    let AuthnError::SignatureDoesNotMatch { string_to_sign, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(
        *string_to_sign,
        format!(
            "AWS4-HMAC-SHA256\n20261122T030000Z\n20261122/us-east-1/s3/aws4_request\n{}",
            HEXLOWER.encode(&sha256(b"GET\n/lake/a\n"))
        )
    );
    let secrets = [&scene.session.session_token, &scene.session.secret_access_key];
    for secret in secrets {
        assert!(!format!("{error:?} {error}").contains(secret.expose_str().unwrap()));
    }
}

#[test]
fn header_signatures_count_for_fifteen_minutes_either_way() {
    // SIG-07
    let scene = Scene::new();
    let at = |seconds: i64| scene.now + SignedDuration::from_secs(seconds);
    for seconds in [-900, -840, -1, 0, 1, 840, 900] {
        assert!(
            scene.verify_at(scene.header(), at(seconds)).is_ok(),
            "{seconds} s"
        );
    }
    for seconds in [-960, -901, 901, 960, 86_400, -86_400] {
        let error = scene.verify_at(scene.header(), at(seconds)).unwrap_err();
        let AuthnError::RequestTimeTooSkewed {
            request_time,
            server_time,
            drift,
            proven,
        } = error
        else {
            panic!("{seconds} s: {error}");
        };
        assert_eq!((&*request_time, server_time), ("20261122T030000Z", at(seconds)));
        assert_eq!((drift.seconds(), proven), (-seconds, seconds < 86_400));
        // Whoever has not the secret can say any date.
        let mut forged = scene.header();
        forged.signature[0] ^= 1;
        let error = scene.verify_at(forged, at(seconds)).unwrap_err();
        assert!(matches!(
            error,
            AuthnError::RequestTimeTooSkewed { proven: false, .. }
        ));
    }
    let nanosecond_late = at(900) + SignedDuration::from_nanos(1);
    assert!(scene.verify_at(scene.header(), nanosecond_late).is_err());
}

#[test]
fn presigned_requests_count_from_their_date_for_their_lifetime() {
    // SIG-07
    let scene = Scene::new();
    let at = |seconds: i64| scene.now + SignedDuration::from_secs(seconds);
    for (expires, seconds) in [
        (1, 0),
        (1, 1),
        (60, 60),
        (60, -900),
        (3000, 2999),
        (604_800, 3000),
    ] {
        assert!(
            scene.verify_at(scene.presigned(expires), at(seconds)).is_ok(),
            "{expires} {seconds}"
        );
    }
    for (expires, seconds) in [(0, 1), (1, 2), (60, 61), (60, 86_400)] {
        let error = scene
            .verify_at(scene.presigned(expires), at(seconds))
            .unwrap_err();
        let AuthnError::Expired {
            expires: told,
            expired_at,
            server_time,
        } = error
        else {
            panic!("{expires} {seconds}: {error}");
        };
        assert_eq!(told, Duration::from_secs(expires));
        assert_eq!((expired_at, server_time), (at(expires as i64), at(seconds)));
    }
    for seconds in [-901, -86_400] {
        let error = scene
            .verify_at(scene.presigned(604_800), at(seconds))
            .unwrap_err();
        assert!(matches!(error, AuthnError::NotYetValid { .. }), "{error}");
    }
}

#[test]
fn a_presigned_request_ends_with_its_session() {
    // SIG-07, SES-07; whether the session is remembered or not.
    let scene = Scene::new();
    for _ in 0..2 {
        let end = scene.session.expires_at;
        let error = scene.verify_at(scene.presigned(604_800), end).unwrap_err();
        assert!(matches!(error, AuthnError::ExpiredToken { expired_at, .. } if expired_at == end));
        let just_before = end - SignedDuration::from_nanos(1);
        assert!(scene.verify_at(scene.presigned(604_800), just_before).is_ok());
    }
}

#[test]
fn the_date_of_the_scope_is_the_date_of_the_request() {
    // SIG-08
    let scene = Scene::new();
    for date in [
        "20261121",
        "20261123",
        "2026112",
        "202611220",
        "",
        "20261122T030000Z",
        "２０２６１１２２",
    ] {
        for mut claim in [scene.header(), scene.presigned(60)] {
            let form = claim.form;
            claim.scope.date = date.into();
            sign(&scene.session, &mut claim);
            let error = scene.verify(claim).unwrap_err();
            let AuthnError::MalformedScope { form: told, reason } = error else {
                panic!("{date}: {error}");
            };
            assert_eq!((told, reason), (form, ScopeFlaw::Date));
            assert!(reason.to_string().contains("invalid credential date"));
        }
    }
}

#[test]
fn times_at_the_end_of_the_calendar_do_no_harm() {
    // SIG-08
    let scene = Scene::new();
    for at in [Timestamp::MAX, Timestamp::MIN, Timestamp::UNIX_EPOCH] {
        for mut claim in [scene.header(), scene.presigned(604_800)] {
            claim.signed_at = at;
            assert!(scene.verify(claim.clone()).is_err());
            // Nor if the server's clock is there, where most sums of times overflow.
            let _ = scene.verify_at(claim, at);
        }
    }
}

#[test]
fn a_signature_counts_for_its_service_only() {
    // SIG-09
    let scene = Scene::new();
    for (signed_for, asked, accepted) in [
        ("s3", Service::S3, true),
        ("sts", Service::Sts, true),
        ("sts", Service::S3, false),
        ("s3", Service::Sts, false),
        ("s3tables", Service::S3, false),
        ("S3", Service::S3, false),
        ("s3express", Service::S3, false),
        ("", Service::S3, false),
    ] {
        let mut claim = scene.header();
        claim.scope.service = signed_for.into();
        sign(&scene.session, &mut claim);
        let claim = Claim::Signature(Box::new(claim));
        let answer = scene.authenticator.authenticate(&claim, asked, FROM, scene.now);
        match answer {
            Ok(_) => assert!(accepted, "{signed_for}"),
            Err(AuthnError::MalformedScope { reason, .. }) => {
                assert!(!accepted);
                assert_eq!(reason, ScopeFlaw::Service(asked.name()));
            }
            Err(error) => panic!("{signed_for}: {error}"),
        }
    }
}

#[test]
fn no_credentials_are_said_to_be_none() {
    let scene = Scene::new();
    let answer = scene
        .authenticator
        .authenticate(&Claim::Anonymous, Service::S3, FROM, scene.now);
    assert!(matches!(answer, Err(AuthnError::Anonymous)));
}

#[test]
fn keys_that_were_not_issued_here_are_refused() {
    // SIG-11: whatever the secret; the empty one too.
    let scene = Scene::new();
    for id in [
        "AKIAIOSFODNN7EXAMPLE",
        "",
        "TGIA",
        "TGIA/../../../../../..",
        "tgiaabcdefghijklmnop",
    ] {
        for secret in [&b""[..], DOC_SECRET, scene.session.secret_access_key.expose()] {
            let mut claim = scene.header();
            claim.access_key_id = id.into();
            claim.signature = signature(secret, &claim);
            let error = scene.verify(claim).unwrap_err();
            assert!(
                matches!(error, AuthnError::InvalidAccessKeyId { .. }),
                "{id}: {error}"
            );
        }
    }
}

#[test]
fn a_key_of_ours_needs_its_own_session_token() {
    // SES-08, SIG-11: with each secret that the caller may know, and the session remembered.
    let scene = Scene::new();
    scene.verify(scene.header()).unwrap();
    let other = session_tests::issue(&KeyRing::for_test(1));
    let foreign = session_tests::issue(&KeyRing::for_test(2));
    let token = |session: &IssuedSession| session.session_token.expose_str().unwrap().to_owned();
    for offered in [
        None,
        Some(String::new()),
        Some("x".into()),
        Some(token(&other)),
        Some(token(&foreign)),
        Some(token(&scene.session) + "A"),
        Some(token(&scene.session) + " "),
    ] {
        for secret in [&scene.session, &other, &foreign] {
            let mut claim = scene.header();
            claim.session_token = offered.clone().map(Into::into);
            sign(secret, &mut claim);
            let error = scene.verify(claim).unwrap_err();
            assert!(
                matches!(error, AuthnError::InvalidToken { .. }),
                "{offered:?}: {error}"
            );
        }
    }
    // The other way round: the remembered token under another session's key.
    let mut claim = scene.header();
    claim.access_key_id = other.access_key_id.clone();
    sign(&other, &mut claim);
    let error = scene.verify(claim).unwrap_err();
    assert!(matches!(
        error,
        AuthnError::InvalidToken {
            cause: SessionError::Invalid("belongs to another access key id"),
            ..
        }
    ));
}

#[test]
fn nothing_is_remembered_for_a_caller_without_the_secret() {
    // SIG-11
    let scene = Scene::new();
    let mut claim = scene.header();
    claim.signature[0] ^= 1;
    assert!(scene.verify(claim.clone()).is_err());
    assert!(!scene.remembered(&claim));
    scene.verify(scene.header()).unwrap();
    assert!(scene.remembered(&claim));
}

#[test]
fn a_remembered_session_ends_on_time_and_with_its_ring() {
    // SES-05, SES-07
    let scene = Scene::new();
    scene.verify(scene.header()).unwrap();
    let late = claim(
        &scene.session,
        SignatureForm::Header,
        scene.session.expires_at,
        "GET\n/\n",
    );
    let error = scene.verify_at(late, scene.session.expires_at).unwrap_err();
    assert!(matches!(error, AuthnError::ExpiredToken { .. }));

    let reloaded = Authenticator::new(KeyRing::for_test(2), Arc::default());
    let answer = reloaded.authenticate(
        &Claim::Signature(Box::new(scene.header())),
        Service::S3,
        FROM,
        scene.now,
    );
    assert!(matches!(answer, Err(AuthnError::InvalidToken { .. })));
}

#[test]
fn threads_share_an_authenticator() {
    let ring = KeyRing::for_test(1);
    let authenticator = Arc::new(Authenticator::new(ring.clone(), Arc::default()));
    let now = session_tests::now();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let lifetime = Duration::from_secs(900);
                    let identity = session_tests::identity();
                    let session =
                        session::issue(&ring, &session::Terms::plain(&identity, "n", lifetime), now).unwrap();
                    for path in ["/a", "/b"] {
                        let claim = claim(&session, SignatureForm::Header, now, path);
                        let claim = Claim::Signature(Box::new(claim));
                        let caller = authenticator
                            .authenticate(&claim, Service::S3, FROM, now)
                            .unwrap();
                        assert_eq!(caller.principal.session(), session.principal.session());
                    }
                }
            });
        }
    });
}
