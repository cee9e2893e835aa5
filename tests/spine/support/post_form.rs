//! POST-object forms, signed by an independent signer, so that tests can fill them in wrongly.

use super::client::{Client, Signed};
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use data_encoding::BASE64;
use jiff::SignedDuration;
use serde_json::{Value, json};

const BOUNDARY: &str = "----FormBoundary7MA4YWxkTrZu0gW";

/// A form as its maker gives it away: conditions that are signed, and fields that agree with them.
#[derive(Clone)]
pub struct Form {
    /// Where it is posted.
    pub target: &'static str,
    /// From the caller's now to `expiration`.
    pub lifetime: SignedDuration,
    pub conditions: Vec<Value>,
    pub fields: Vec<(String, String)>,
    pub file_name: &'static str,
    pub content: Vec<u8>,
}

impl Form {
    /// An upload of `content` to `key` in bucket `lake`.
    pub fn of(key: &str, content: &[u8]) -> Self {
        Self {
            target: "/lake",
            lifetime: SignedDuration::from_mins(5),
            conditions: vec![json!({ "bucket": "lake" })],
            fields: Vec::new(),
            file_name: "a.txt",
            content: content.to_vec(),
        }
        .with("key", key)
    }

    /// A field and the condition that it is what it is.
    pub fn with(self, name: &str, value: &str) -> Self {
        self.only(json!({ name: value })).field(name, value)
    }

    /// A condition alone.
    pub fn only(mut self, condition: Value) -> Self {
        self.conditions.push(condition);
        self
    }

    /// A field alone.
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without a field; its condition stays.
    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self
    }

    /// Another value of a field; its condition stays.
    pub fn filled(self, name: &str, value: &str) -> Self {
        self.without(name).field(name, value)
    }

    /// All fields, those of the signature among them.
    pub fn signed(&self, client: &Client) -> Filled {
        let keys = client.keys.clone().expect("a client with keys");
        let now = super::now() + client.skew;
        let (day, date) = (now.strftime("%Y%m%d"), now.strftime("%Y%m%dT%H%M%SZ").to_string());
        let credential = format!(
            "{}/{day}/{}/{}/aws4_request",
            keys.access_key_id, client.region, client.service
        );
        let mut of_signature = vec![
            ("x-amz-algorithm", "AWS4-HMAC-SHA256".to_owned()),
            ("x-amz-credential", credential),
            ("x-amz-date", date),
        ];
        of_signature.extend(keys.session_token.map(|token| ("x-amz-security-token", token)));
        let mut conditions = self.conditions.clone();
        let mut fields = self.fields.clone();
        for (name, value) in of_signature {
            conditions.push(json!({ name: value }));
            fields.push((name.to_owned(), value));
        }
        let expiration = (now + self.lifetime)
            .strftime("%Y-%m-%dT%H:%M:%S.000Z")
            .to_string();
        let policy = json!({ "expiration": expiration, "conditions": conditions }).to_string();
        let policy = BASE64.encode(policy.as_bytes());
        let key = generate_signing_key(&keys.secret_access_key, now.into(), client.region, client.service);
        fields.push((
            "x-amz-signature".to_owned(),
            calculate_signature(key, policy.as_bytes()),
        ));
        fields.push(("policy".to_owned(), policy));
        Filled {
            target: self.target,
            fields,
            file_name: self.file_name,
            content: self.content.clone(),
        }
    }

    /// The request that a browser makes of it.
    pub fn request(&self, client: &Client) -> Signed {
        self.signed(client).request(client)
    }
}

/// A form with its signature, as it leaves the browser.
#[derive(Clone)]
pub struct Filled {
    pub target: &'static str,
    pub fields: Vec<(String, String)>,
    pub file_name: &'static str,
    pub content: Vec<u8>,
}

impl Filled {
    /// Another value of a field, signed or not.
    pub fn tampered(mut self, name: &str, value: &str) -> Self {
        let field = self.fields.iter_mut().find(|(known, _)| known == name);
        field.unwrap_or_else(|| panic!("a field `{name}`")).1 = value.to_owned();
        self
    }

    /// A field's value.
    pub fn value(&self, name: &str) -> &str {
        &self.fields.iter().find(|(known, _)| known == name).expect(name).1
    }

    /// Without a field.
    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self
    }

    /// The fields as parts.
    pub fn head(&self) -> Vec<u8> {
        let part = |(name, value): &(String, String)| {
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let mut head: String = self.fields.iter().map(part).collect();
        head += &format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\n\
             Content-Type: text/html\r\n\r\n",
            self.file_name
        );
        head.into_bytes()
    }

    /// The whole body, with what stands behind the file.
    pub fn body(&self, end: &str) -> Vec<u8> {
        [
            &self.head(),
            &self.content,
            end.replace("BOUNDARY", BOUNDARY).as_bytes(),
        ]
        .concat()
    }

    /// The request with another end than the right one.
    pub fn ending(&self, client: &Client, end: &str) -> Signed {
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        client.unsigned(
            "POST",
            self.target,
            &[("content-type", &content_type)],
            &self.body(end),
        )
    }

    pub fn request(&self, client: &Client) -> Signed {
        self.ending(client, "\r\n--BOUNDARY--\r\n")
    }
}
