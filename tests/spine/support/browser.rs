//! A browser as far as logins need one: it keeps cookies, follows what it is told to follow, and says with each request
//! what made it.

use super::client::{Client, Signed};
use super::login_provider::LoginProvider;
use super::transport::Answer;
use super::world::World;
use std::collections::BTreeMap;

/// Where browsers reach Tidegate in these tests.
pub const ORIGIN: &str = "https://s3.tidegate.test";
pub const SESSION: &str = "__Host-tidegate";
pub const ATTEMPT: &str = "__Host-tidegate-login-";

/// The headers of a person who follows a link.
pub const VISIT: [(&str, &str); 3] = [
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-site", "none"),
];

/// One browser profile at one Tidegate.
#[derive(Clone)]
pub struct Browser {
    pub client: Client,
    pub jar: BTreeMap<String, String>,
}

impl Browser {
    pub fn new(world: &World) -> Self {
        let mut client = world.anonymous();
        client.host = "s3.tidegate.test".to_owned();
        Self {
            client,
            jar: BTreeMap::new(),
        }
    }

    /// Opens a page, as by a link.
    pub async fn open(&mut self, target: &str) -> Answer {
        self.send(self.request("GET", target, &VISIT, "")).await
    }

    /// Sends a form of our own page.
    pub async fn submit(&mut self, target: &str, form: &str) -> Answer {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
            ("sec-fetch-site", "same-origin"),
            ("origin", "null"),
        ];
        self.send(self.request("POST", target, &headers, form)).await
    }

    /// A request with the cookies of the jar, which a test may tamper with.
    pub fn request(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Signed {
        let mut request = self.client.unsigned(method, target, headers, body.as_bytes());
        let cookies: Vec<String> = self
            .jar
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            request
                .headers_mut()
                .insert("cookie", cookies.join("; ").parse().unwrap());
        }
        request
    }

    /// Sends a request and keeps what cookies come back.
    pub async fn send(&mut self, request: Signed) -> Answer {
        let answer = self.client.send(request).await;
        self.keep(&answer);
        answer
    }

    /// OID-07: what a browser requires of `__Host-`, and what we do.
    fn keep(&mut self, answer: &Answer) {
        for cookie in answer.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            let mut parts = cookie.split("; ");
            let (name, value) = parts.next().unwrap().split_once('=').unwrap();
            let attributes: Vec<&str> = parts.collect();
            assert!(name.starts_with("__Host-"), "{cookie}");
            assert!(cookie.len() <= 4096, "{} bytes", cookie.len());
            let age = attributes[0].strip_prefix("Max-Age=").expect("an age first");
            assert_eq!(
                attributes[1..],
                ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"],
                "{cookie}"
            );
            match age {
                "0" => self.jar.remove(name),
                _ => self.jar.insert(name.to_owned(), value.to_owned()),
            };
        }
    }

    /// Begins a login and goes to the provider: where the provider sends the browser back to.
    pub async fn consent(&mut self, provider: &LoginProvider, begin: &str) -> String {
        let answer = self.open(begin).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let place = answer.header("location").unwrap();
        let target = place
            .strip_prefix(provider.issuer())
            .unwrap_or_else(|| panic!("{place} is not at {}", provider.issuer()));
        let client = provider.client();
        let answer = client.send(client.unsigned("GET", target, &[], b"")).await;
        assert_eq!(answer.status, 302, "{}", answer.text());
        let back = answer.header("location").unwrap();
        let target = back.strip_prefix(ORIGIN);
        target.unwrap_or_else(|| panic!("{back} is not ours")).to_owned()
    }

    /// A whole login: the answer to its last request.
    pub async fn login(&mut self, provider: &LoginProvider) -> Answer {
        let back = self.consent(provider, "/_tidegate/login").await;
        self.open(&back).await
    }

    /// The names of the logins that are open.
    pub fn attempts(&self) -> Vec<String> {
        let names = self.jar.keys();
        names.filter(|name| name.starts_with(ATTEMPT)).cloned().collect()
    }

    /// The hidden token of the form on the first page.
    pub async fn form_token(&mut self) -> String {
        let page = self.open("/_tidegate/").await.text();
        let (_, rest) = page.split_once("name=\"token\" value=\"").expect("a form");
        rest.split('"').next().unwrap().to_owned()
    }
}
