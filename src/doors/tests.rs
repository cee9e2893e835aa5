use super::*;
use crate::sts::wish::{RoleWish, Wish};
use http::{Request, request::Parts};
use std::time::Duration;

fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn code(error: &DoorError, words: Words) -> String {
    format!("{} {}", error.status(words), error.code(words))
}

// SIG-04
#[test]
fn each_path_has_one_door_and_one_method() {
    let find = |method: &str, path: &str| {
        Door::find(path, &method.parse().unwrap()).map_err(|error| error.status(Words::Container))
    };
    for door in Door::ALL {
        let path = format!("{ROOT}{}", door.name());
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            let expected = if door.allow() == method {
                Ok(door)
            } else {
                Err(405)
            };
            assert_eq!(find(method, &path), expected, "{method} {path}");
        }
        for near in [
            format!("{path}/"),
            path.to_uppercase(),
            format!("{path}x"),
            path.replace("/c", "/%63"),
        ] {
            if near != path {
                assert_eq!(find("GET", &near), Err(404), "{near}");
            }
        }
    }
    for path in [
        "/_tidegate",
        "/_tidegate/",
        "/_tidegate//token",
        "/_tidegate/../token",
        "/",
        "",
        "/token",
    ] {
        assert_eq!(find("GET", path), Err(404), "{path}");
    }
}

fn check_wish(query: &str, expected: Result<Wish, &str>) {
    let found = asked::wish(Some(query)).map_err(|error| error.message().into_owned());
    match (found, expected) {
        (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{query}"),
        (Err(found), Err(expected)) => assert!(found.contains(expected), "{query}: {found}"),
        (found, expected) => panic!("{query}: {found:?} and not {expected:?}"),
    }
}

#[test]
fn an_address_asks_for_a_role_a_lifetime_and_tags() {
    check_wish("", Ok(Wish::default()));
    let wish = Wish {
        role: RoleWish::Named("exporter".into()),
        lifetime: Some(Duration::from_secs(3600)),
        tags: vec![("audit".into(), "CHG-1042".into()), ("expr".into(), "a=b".into())],
        ..Wish::default()
    };
    check_wish(
        "role=exporter&duration=3600&tag=audit%3DCHG-1042&tag=expr=a=b",
        Ok(wish),
    );
    for (query, says) in [
        ("role=", "role must be"),
        ("role=a/b", "role must be"),
        ("role=a&role=b", "role is there more than once"),
        ("duration=1h", "duration must be a whole number"),
        ("duration=-1", "duration must be"),
        ("duration=+1", "duration must be"),
        ("tag=audit", "NAME=VALUE"),
        ("tag==x", "tag must be names of 1 to 128"),
        ("tag=a=1&tag=a=2", "tag must be names that are there once"),
        ("tag=a=%0a", "tag must be values"),
        ("Role=a", "Role is not known"),
        ("policy={}", "policy is not known"),
    ] {
        check_wish(query, Err(says));
    }
}

fn check_container(headers: &[(&str, &str)], expected: Result<&str, &str>) {
    let found = container::Request::parse(&head("GET", "/_tidegate/credentials", headers));
    let found = found.map_err(|error| code(&error, Words::Container));
    let token = found.as_ref().map(|request| request.token.expose_str().unwrap());
    assert_eq!(token.map_err(|e| &**e), expected, "{headers:?}");
}

#[test]
fn container_credentials_come_with_the_token_as_it_is_in_its_file() {
    for value in [
        "a.b.c",
        "a.b.c  ",
        "Bearer a.b.c",
        "bearer  a.b.c\t",
        "BEARER a.b.c",
    ] {
        check_container(&[("authorization", value)], Ok("a.b.c"));
    }
    check_container(&[], Err("401 MissingAuthenticationToken"));
    for value in [
        "",
        " ",
        "Bearer",
        "Bearer ",
        "Basic dTpw",
        "AWS4-HMAC-SHA256 Credential=a",
        "a b",
        "ä.b.c",
    ] {
        let expected = match value {
            // One word is a token, whatever it says: it will not verify.
            "Bearer" => Ok("Bearer"),
            "Bearer " => Ok("Bearer"),
            _ => Err("401 InvalidIdentityToken"),
        };
        check_container(&[("authorization", value)], expected);
    }
}

const GRANT: &str = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange";
const TOKEN: &str = "subject_token=a.b.c%0A&subject_token_type=urn:ietf:params:oauth:token-type:jwt";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");

fn check_exchange(headers: &[(&str, &str)], form: &str, expected: Result<&str, &str>) {
    let found = exchange::Request::parse(&head("POST", "/_tidegate/token", headers), form.as_bytes());
    let token = match &found {
        Ok(request) => Ok(request.token.expose_str().unwrap().to_owned()),
        Err(error) => Err(code(error, Words::OAuth)),
    };
    let token = token.as_deref().map_err(|e| &**e);
    assert_eq!(token, expected, "{headers:?} {form}");
}

#[test]
fn tokens_are_exchanged_as_the_libraries_of_google_ask() {
    let requested = "requested_token_type=urn:ietf:params:oauth:token-type:access_token";
    let google = "audience=//gw.example.com/t1&scope=https://www.googleapis.com/auth/devstorage.read_write";
    let basic = ("authorization", "Basic Z2Nsb3VkOnNlY3JldA==");
    for (headers, more) in [
        (&[FORM][..], ""),
        (&[FORM], &*format!("&{requested}&{google}")),
        (&[FORM, basic], &*format!("&{requested}&{google}")),
        (
            &[FORM],
            "&client_id=a&client_secret=b&resource=https://a&resource=https://b",
        ),
        (&[FORM], "&options=%7B%22userProject%22:%22p%22%7D"),
        (&[FORM], "&options=%7B%7D"),
    ] {
        check_exchange(headers, &format!("{GRANT}&{TOKEN}{more}"), Ok("a.b.c"));
    }
    let id_token = "subject_token=a.b.c&subject_token_type=urn:ietf:params:oauth:token-type:id_token";
    check_exchange(&[FORM], &format!("{GRANT}&{id_token}"), Ok("a.b.c"));
}

// SIG-05, SES-09
#[test]
fn whatever_an_exchange_would_ignore_is_refused() {
    let invalid = Err("400 invalid_request");
    let kind = |kind: &str| format!("{GRANT}&subject_token=a.b.c&subject_token_type={kind}");
    for form in [
        String::new(),
        GRANT.to_owned(),
        TOKEN.to_owned(),
        format!("{GRANT}&subject_token=a.b.c"),
        format!("{GRANT}&{TOKEN}&subject_token=other"),
        format!("{GRANT}&subject_token=%0A&subject_token_type=urn:ietf:params:oauth:token-type:jwt"),
        kind("urn:ietf:params:oauth:token-type:saml2"),
        kind("urn:ietf:params:aws:token-type:aws4_request"),
        kind("urn:ietf:params:oauth:token-type:access_token"),
        kind("jwt"),
        format!("{GRANT}&{TOKEN}&requested_token_type=urn:ietf:params:oauth:token-type:refresh_token"),
        format!("{GRANT}&{TOKEN}&actor_token=x"),
        format!("{GRANT}&{TOKEN}&actor_token_type=x"),
        format!("{GRANT}&{TOKEN}&options=no"),
        format!("{GRANT}&{TOKEN}&options=[]"),
        format!("{GRANT}&{TOKEN}&options=%7B%22accessBoundary%22:%7B%7D%7D"),
        format!("{GRANT}&{TOKEN}&options=%7B%22bindCertFingerprint%22:%22x%22%7D"),
        format!("{GRANT}&{TOKEN}&options=%7B%22other%22:1%7D"),
        format!("{GRANT}&{TOKEN}&role=admin"),
        format!("{GRANT}&{TOKEN}&assertion=x"),
    ] {
        check_exchange(&[FORM], &form, invalid);
    }
    let whole = format!("{GRANT}&{TOKEN}");
    check_exchange(
        &[FORM],
        &format!("grant_type=client_credentials&{TOKEN}"),
        Err("400 unsupported_grant_type"),
    );
    check_exchange(&[], &whole, Err("415 invalid_request"));
    check_exchange(
        &[("content-type", "application/json")],
        &whole,
        Err("415 invalid_request"),
    );
    for value in ["Bearer a.b.c", "AWS4-HMAC-SHA256 Credential=a", "a.b.c"] {
        check_exchange(&[FORM, ("authorization", value)], &whole, invalid);
    }
}

#[test]
fn an_introspection_has_one_token() {
    let parse = |form: &str| {
        let head = head("POST", "/_tidegate/introspect", &[FORM]);
        let token = introspection::parse(&head, form.as_bytes());
        token.map(|token| token.expose_str().unwrap().to_owned()).ok()
    };
    assert_eq!(
        parse("token=abc%0A&token_type_hint=access_token").as_deref(),
        Some("abc")
    );
    assert_eq!(
        parse("token=abc&client_id=a&client_secret=b").as_deref(),
        Some("abc")
    );
    for form in ["", "token_type_hint=x", "token=a&token=b", "token=a&other=b"] {
        assert_eq!(parse(form), None, "{form}");
    }
}

#[test]
fn a_refusal_is_in_the_words_of_its_door() {
    let error = || DoorError::Missing("subject_token");
    let response = answer::refusal(Some(Door::Token), &error());
    assert_eq!(response.status(), 400);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let response = answer::refusal(Some(Door::Credentials), &DoorError::NoCredential);
    assert_eq!(
        (
            response.status().as_u16(),
            &response.headers()["www-authenticate"]
        ),
        (401, &"Bearer".parse().unwrap())
    );
    let method = Door::find("/_tidegate/token", &Method::GET).unwrap_err();
    let response = answer::refusal(Some(Door::Token), &method);
    assert_eq!(
        (response.status().as_u16(), &response.headers()["allow"]),
        (405, &"POST".parse().unwrap())
    );
    assert_eq!(answer::refusal(None, &DoorError::NoSuchDoor).status(), 404);
}

#[test]
fn bytes_of_any_kind_do_not_panic() {
    for byte in 0..=255 {
        for form in [
            vec![byte],
            vec![b'%', byte],
            vec![b'a', b'=', byte, b'&', byte],
            vec![byte; 40],
        ] {
            let parts = head("POST", "/_tidegate/token", &[FORM]);
            assert!(exchange::Request::parse(&parts, &form).is_err());
            assert!(introspection::parse(&parts, &form).is_err());
            if let Ok(query) = std::str::from_utf8(&form) {
                let _ = asked::wish(Some(query));
            }
        }
    }
}
