use super::world::World;
use crate::client::{Door, Renewal};
use crate::fetch::{Fetched, Fetcher};
use http::{HeaderName, HeaderValue, header};
use std::sync::Arc;

struct Served {
    world: World,
    door: Arc<Door>,
    serving: tokio::task::JoinHandle<()>,
}

async fn serve() -> Served {
    let world = World::new().await;
    world.log_in().await.unwrap();
    let door = Arc::new(Door::open(0, Renewal::default()).await.unwrap());
    let client = Arc::new(world.client());
    let serving = tokio::spawn(Arc::clone(&door).serve(client, std::future::pending()));
    Served { world, door, serving }
}

impl Served {
    async fn get(&self, url: &str, headers: &[(HeaderName, &str)]) -> Fetched {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
            .collect();
        Fetcher::new(None)
            .unwrap()
            .allow_plain()
            .get_with(url, &headers)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn a_program_with_the_token_gets_keys() {
    let served = serve().await;
    let answer = served
        .get(&served.door.url, &[(header::AUTHORIZATION, served.door.token())])
        .await;
    let document: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(document["AccessKeyId"], "TGIAEXAMPLE");
    assert_eq!(document["SecretAccessKey"], "hidden-secret");
    assert_eq!(document["Token"], "hidden-token");
    assert_eq!(document["Expiration"], "2026-11-20T11:00:00Z");
    assert_eq!(answer.headers.get("cache-control").unwrap(), "no-store");
    // While it runs, keys end, and there are others.
    served.world.advance(50);
    let answer = served
        .get(&served.door.url, &[(header::AUTHORIZATION, served.door.token())])
        .await;
    assert!(String::from_utf8_lossy(&answer.body).contains("2026-11-20T11:50:00Z"));
    served.serving.abort();
}

// Any user and any page in a browser reaches a port on loopback.
#[tokio::test]
async fn whoever_has_not_the_token_gets_nothing() {
    let served = serve().await;
    let (url, token) = (served.door.url.clone(), served.door.token().to_owned());
    let root = url.strip_suffix("/credentials").unwrap();
    let check = async |url: &str, headers: &[(HeaderName, &str)], status: u16| {
        let answer = served.get(url, headers).await;
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, status, "{url} {headers:?}: {body}");
        assert!(!body.contains("hidden-") && body.contains("\"code\""), "{body}");
    };
    let authorization = || header::AUTHORIZATION;
    check(&url, &[], 403).await;
    check(&url, &[(authorization(), "")], 403).await;
    check(&url, &[(authorization(), &token[1..])], 403).await;
    check(&url, &[(authorization(), &format!("Bearer {token}"))], 403).await;
    // A name that somebody pointed at this machine.
    check(
        &url,
        &[(authorization(), &token), (header::HOST, "evil.example")],
        403,
    )
    .await;
    check(root, &[(authorization(), &token)], 404).await;
    check(&format!("{url}/x"), &[(authorization(), &token)], 404).await;
    served.serving.abort();
}

#[tokio::test]
async fn a_door_without_a_login_behind_it_says_what_to_do() {
    let served = serve().await;
    served.world.client().log_out(false).await.unwrap();
    let answer = served
        .get(&served.door.url, &[(header::AUTHORIZATION, served.door.token())])
        .await;
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(answer.status, 503);
    assert!(
        body.contains("CredentialsUnavailable") && body.contains("Run: tidegate login"),
        "{body}"
    );
    served.serving.abort();
}
