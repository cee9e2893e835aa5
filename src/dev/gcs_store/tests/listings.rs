//! Listings.

use super::*;

#[tokio::test]
async fn listings_come_in_pages() {
    let site = Site::new().await;
    for name in ["a", "b/", "b/1", "b/2", "c", "d/x/1", "d/y", "e"] {
        site.put(name, b"x").await;
    }
    let pages = async |query: &str| {
        let (mut names, mut pages, mut token) = (Vec::new(), 0, String::new());
        loop {
            let page = site.get(&format!("{OBJECTS}?{query}{token}")).await;
            assert_eq!(page.status, 200, "{query}{token}: {page:?}");
            let page = page.json();
            pages += 1;
            let items = page["items"].as_array().into_iter().flatten();
            names.extend(items.map(|item| item["name"].as_str().unwrap().to_owned()));
            let prefixes = page["prefixes"].as_array().into_iter().flatten();
            names.extend(prefixes.map(|prefix| format!("{}*", prefix.as_str().unwrap())));
            match page["nextPageToken"].as_str() {
                Some(next) => token = format!("&pageToken={next}"),
                None => break,
            }
        }
        names.sort();
        (names.join(" "), pages)
    };
    let check = async |query: &str, names: &str, count: usize| {
        assert_eq!(pages(query).await, (names.to_owned(), count), "{query}");
    };
    let all = "a b/ b/1 b/2 c d/x/1 d/y e";
    check("prefix=", all, 1).await;
    check("maxResults=3", all, 3).await;
    check("maxResults=1", all, 8).await;
    check("delimiter=/", "a b/* c d/* e", 1).await;
    for limit in 1..=5 {
        let query = format!("delimiter=%2F&maxResults={limit}");
        check(&query, "a b/* c d/* e", 5_usize.div_ceil(limit)).await;
        let query = format!("{query}&includeTrailingDelimiter=true");
        check(&query, "a b/ b/* c d/* e", 6_usize.div_ceil(limit)).await;
    }
    check("prefix=d/&delimiter=/", "d/x/* d/y", 1).await;
    check("prefix=b", "b/ b/1 b/2", 1).await;
    check("startOffset=b/2&endOffset=d/y", "b/2 c d/x/1", 1).await;
    check("matchGlob=*%2F*", "b/ b/1 b/2 d/y", 1).await;
    check("prefix=nothing", "", 1).await;
    assert_eq!(site.get(&format!("{OBJECTS}?pageToken=x")).await.status, 400);
    let only = site
        .get(&format!(
            "{OBJECTS}?maxResults=2&fields=items(name),nextPageToken"
        ))
        .await
        .json();
    assert_eq!(only["items"], json!([{"name": "a"}, {"name": "b/"}]));
    // A token is good for one bucket.
    site.store.make_bucket("other", GcsBucket::default()).unwrap();
    let token = only["nextPageToken"].as_str().unwrap();
    assert_eq!(
        site.get(&format!("/storage/v1/b/other/o?pageToken={token}"))
            .await
            .status,
        400
    );
}
