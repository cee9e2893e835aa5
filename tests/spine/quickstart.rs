//! `tidegate dev`, run as its users run it: from an empty folder to a signal.

use crate::support::{
    Client,
    client::Keys,
    world::{binary, eventually},
};
use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
};

/// A quickstart that has said all it has to say.
struct Quickstart {
    child: Child,
    /// Standard output, up to the last line before it serves.
    said: String,
    endpoint: String,
}

impl Drop for Quickstart {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Quickstart {
    /// Runs `tidegate dev` in `dir` until it serves.
    async fn start(dir: &Path, options: &[&str]) -> Self {
        let mut child = command(dir, options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The pipe ends when the process does, so this cannot wait for ever.
        let reading = tokio::task::spawn_blocking(move || {
            let mut said = String::new();
            let serving = lines.by_ref().map_while(Result::ok).find(|line| {
                said.push_str(line);
                said.push('\n');
                line.starts_with("Serving on ")
            });
            (said, serving)
        });
        let (said, serving) = reading.await.unwrap();
        let Some(serving) = serving else {
            let mut errors = String::new();
            child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
            panic!("it does not serve: {said}\n{errors}");
        };
        let endpoint = serving.split(' ').nth(2).unwrap().to_owned();
        Self {
            child,
            said,
            endpoint,
        }
    }

    fn caller(&self, dir: &Path) -> Client {
        let port = self.endpoint.rsplit(':').next().unwrap();
        let authority = std::fs::read_to_string(dir.join("ca/ca.pem")).unwrap();
        Client::new(format!("127.0.0.1:{port}").parse().unwrap(), &authority)
    }

    /// Trades a token for a session, which must be given.
    async fn session(&self, dir: &Path, token: &str) -> Client {
        let mut caller = self.caller(dir);
        let answer = caller.assume_role(token).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        caller.keys = Some(Keys::from_sts(&answer.text()));
        caller
    }

    /// Ends it as an operator does. Answers its exit code and standard error.
    fn end(mut self) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .unwrap()
                .success()
        );
        let mut errors = String::new();
        let mut pipe = self.child.stderr.take().unwrap();
        pipe.read_to_string(&mut errors).unwrap();
        (self.child.wait().unwrap().code(), errors)
    }
}

fn command(dir: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .arg("dev")
        .arg("--dir")
        .arg(dir)
        .args(options)
        .env_remove("RUST_LOG");
    command
}

/// Runs `tidegate dev` to an end that it must come to by itself: exit code, standard output and standard error.
async fn finished(dir: &Path, options: &[&str]) -> (Option<i32>, String, String) {
    let mut child = command(dir, options)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let ended = eventually("the end of `tidegate dev`", || child.try_wait().unwrap()).await;
    let (mut said, mut errors) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    (ended.code(), said, errors)
}

const ANY_PORT: [&str; 2] = ["--listen", "127.0.0.1:0"];

#[tokio::test]
async fn the_quickstart_proves_itself_and_serves_until_sigterm() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = &temporary.path().join("a folder");
    let quickstart = Quickstart::start(dir, &ANY_PORT).await;
    let said = &quickstart.said;
    let (proof, settings) = said.split_once("\n# AWS CLI").unwrap();
    let mut rest = proof;
    for step in [
        "1. Get an identity token",
        "2. Trade it at the STS",
        "   200 OK: access key TG",
        "3. Write an object",
        "   200 OK: ETag \"",
        "4. Read it back",
        "   200 OK: the same 56 bytes",
        "5. Try to delete it",
        "   403 Forbidden: AccessDenied",
        "with an explicit deny in policy only-tmp-is-deleted.",
        "Put what may be deleted under tmp/.",
        "   The store was not asked.",
        "6. Read gs://models/released/iris.json",
        "   200 OK: 197 bytes, crc32c=",
        "7. Find all of it in the audit log",
        "  200  allow  dev:etl  AssumeRoleWithWebIdentity",
        "  200  allow  dev:etl  PutObject lake/results/hello.txt      etl-writes-results",
        "  200  allow  dev:etl  GetObject lake/results/hello.txt      etl-reads",
        "  403  deny   dev:etl  DeleteObject lake/results/hello.txt   only-tmp-is-deleted",
        "  200  allow  dev:etl  storage.objects.get models/released/iris.json  etl-reads-models",
    ] {
        let (_, after) = rest
            .split_once(step)
            .unwrap_or_else(|| panic!("no `{step}` in {rest}"));
        rest = after;
    }
    let wide = |line: &&str| line.chars().count() > 100 && !line.contains(&*dir.to_string_lossy());
    assert_eq!(proof.lines().find(wide), None);
    assert!(settings.contains(&format!("AWS_ENDPOINT_URL_STS={}\n", quickstart.endpoint)));
    assert!(settings.contains(&format!("AWS_CA_BUNDLE='{}/ca/ca.pem'\n", dir.display())));

    let (code, token, _) = finished(dir, &["token", "analyst"]).await;
    assert_eq!((code, token.lines().count()), (Some(0), 1));
    let analyst = quickstart.session(dir, token.trim()).await;
    assert_eq!(analyst.get("/lake/raw/orders.csv").await.status, 200);
    assert_eq!(analyst.put("/lake/tmp/a", b"a").await.status, 403);
    let token = std::fs::read_to_string(dir.join("tokens/backup.jwt")).unwrap();
    let backup = quickstart.session(dir, &token).await;
    assert_eq!(backup.put("/backups/restic/config", b"c").await.status, 200);
    assert_eq!(backup.delete("/backups/restic/config").await.status, 403);
    assert_eq!(backup.get("/lake/raw/orders.csv").await.status, 403);

    let (code, errors) = quickstart.end();
    assert_eq!((code, errors.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn a_second_start_takes_what_is_there() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let first = Quickstart::start(dir, &ANY_PORT).await;
    let (code, _, busy) = finished(dir, &ANY_PORT).await;
    assert_eq!(code, Some(1));
    assert!(busy.contains("another `tidegate dev` serves from"), "{busy}");
    let token = std::fs::read_to_string(dir.join("tokens/etl.jwt")).unwrap();
    let before = first.endpoint.clone();
    assert_eq!(first.end().0, Some(0));

    // Whoever edits a policy wants it to decide, and the proof does not argue.
    let policy = dir.join("policies/lake.cedar");
    let mine = r#"
        @id("everything-for-etl")
        permit (principal == Tidegate::Workload::"dev:etl", action, resource);
    "#;
    std::fs::write(&policy, mine).unwrap();
    let configuration = std::fs::read_to_string(dir.join("tidegate.toml")).unwrap();
    let second = Quickstart::start(dir, &[]).await;
    assert!(second.said.contains("Development environment, reused: "));
    assert!(
        second.said.contains("policies/lake.cedar was edited"),
        "{}",
        second.said
    );
    assert!(
        second
            .said
            .contains("DeleteObject lake/results/hello.txt   everything-for-etl")
    );
    assert_eq!(std::fs::read_to_string(&policy).unwrap(), mine);
    assert_eq!(
        (
            std::fs::read_to_string(dir.join("tidegate.toml")).unwrap(),
            &second.endpoint
        ),
        (configuration, &before)
    );
    // A token of the first run still names an issuer that is trusted.
    second.session(dir, &token).await;
    assert_eq!(second.end().0, Some(0));
    let check = Command::new(binary())
        .args(["check", "--deny-warnings", "--config"])
        .arg(dir.join("tidegate.toml"))
        .output()
        .unwrap();
    assert!(
        check.status.success(),
        "{}",
        String::from_utf8_lossy(&check.stdout)
    );
}

#[tokio::test]
async fn addresses_that_are_taken_are_left_to_whoever_has_them() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, said, errors) = finished(dir, &["--listen", &address]).await;
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert!(errors.contains(&format!("`{address}` is taken")) && errors.contains("`--listen`"));

    // The folder has that address now, but nobody asked for it this time.
    let quickstart = Quickstart::start(dir, &[]).await;
    assert!(
        !quickstart
            .endpoint
            .ends_with(&format!(":{}", taken.local_addr().unwrap().port()))
    );
    let (code, errors) = quickstart.end();
    assert_eq!(code, Some(0));
    assert!(errors.contains(&format!("{address} is taken: listening on")) && errors.contains("`--listen`"));
    assert_eq!(finished(dir, &["--listen", "0.0.0.0:0"]).await.0, Some(2));
}

#[tokio::test]
async fn a_proof_that_fails_names_its_step() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    assert_eq!(Quickstart::start(dir, &ANY_PORT).await.end().0, Some(0));
    let path = dir.join("tidegate.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("bucket = \"lake\"", "bucket = \"gone\"")).unwrap();
    let (code, said, errors) = finished(dir, &ANY_PORT).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("3. Write an object") && !said.contains("4. Read it back"));
    assert!(
        errors.contains("the proof failed at step 3: expected 200 OK, got 404"),
        "{errors}"
    );
}

#[tokio::test]
async fn tokens_are_for_those_who_exist() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let (code, said, errors) = finished(dir, &["token", "etl"]).await;
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert!(errors.contains("run `tidegate dev` first"), "{errors}");
    assert_eq!(Quickstart::start(dir, &ANY_PORT).await.end().0, Some(0));
    let (code, said, errors) = finished(dir, &["token", "bob"]).await;
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert!(
        errors.contains("expected one of `etl`, `backup`, `analyst`"),
        "{errors}"
    );
}

#[tokio::test]
async fn the_printed_commands_get_keys() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let quickstart = Quickstart::start(dir, &ANY_PORT).await;
    let state = tempfile::tempdir().unwrap();
    let run = |command: &str| {
        let output = Command::new("sh")
            .args(["-c", command])
            .env("HOME", state.path())
            .env_remove("XDG_STATE_HOME")
            .env_remove("XDG_CONFIG_HOME")
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{command}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    };
    let printed = |start: &str| {
        let line = quickstart.said.lines().find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("`{start}` is not printed"))
            .to_owned()
    };
    // restic: variables of the shell.
    let variables = run(&format!(
        "{}; echo $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY $AWS_SESSION_TOKEN",
        printed("eval ")
    ));
    let words: Vec<&str> = variables.split_whitespace().collect();
    assert!(
        words.len() == 3 && words[0].starts_with("TGIA"),
        "{}",
        words.len()
    );
    // Spark: the answer of a `credential_process`.
    let command = printed("credential_process = ");
    let answer = run(command.split_once(" = ").unwrap().1);
    let process: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(process["Version"], 1);
    assert!(process["AccessKeyId"].as_str().unwrap().starts_with("TGIA"));
    assert!(process["Expiration"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn the_embedded_store_answers_as_s3_where_its_files_show_through() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let quickstart = Quickstart::start(dir, &ANY_PORT).await;
    let token = std::fs::read_to_string(dir.join("tokens/etl.jwt")).unwrap();
    let etl = quickstart.session(dir, &token).await;
    // S3A asks for the parents of what it writes.
    assert_eq!(etl.head("/lake/results").await.status, 404);
    assert_eq!(etl.get("/lake/results").await.code(), "NoSuchKey");
    // minio-go sends an empty delimiter, which means none.
    let listed = etl.get("/lake?delimiter=&list-type=2&prefix=raw%2F").await.text();
    assert!(
        listed.contains("<Key>raw/orders.csv</Key>") && !listed.contains("<CommonPrefixes>"),
        "{listed}"
    );
    // The longest key that the name of the file beside it can hold, and one byte more.
    let fits = format!("/lake/tmp/{}", "k".repeat(160));
    assert_eq!(etl.put(&fits, b"x").await.status, 200);
    assert_eq!(etl.get(&fits).await.text(), "x");
    let long = format!("{fits}k");
    let refused = etl.put(&long, b"x").await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (400, "KeyTooLongError")
    );
    assert!(!dir.join("store").join(&long[1..]).exists());
    assert_eq!(quickstart.end().0, Some(0));
}

#[tokio::test]
async fn the_quickstart_serves_gs() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let quickstart = Quickstart::start(dir, &ANY_PORT).await;
    let endpoint = format!(
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE={}/storage/v1/",
        quickstart.endpoint
    );
    assert!(quickstart.said.contains(&endpoint), "{}", quickstart.said);
    let caller = quickstart.caller(dir);
    let token = |name: &str| std::fs::read_to_string(dir.join(format!("tokens/{name}.jwt"))).unwrap();
    let (etl, analyst, backup) = (token("etl"), token("analyst"), token("backup"));
    let get = async |token: &str, target: &str| caller.bearer("GET", target, token.trim(), b"").await;
    let objects = "/storage/v1/b/models/o";

    let listed = get(&etl, objects).await;
    assert_eq!(listed.status, 200, "{}", listed.text());
    let listed: serde_json::Value = serde_json::from_slice(&listed.body).unwrap();
    assert_eq!(listed["items"][0]["name"], "released/iris.json");
    assert_eq!(listed["items"][0]["bucket"], "models");
    assert!(!listed.to_string().contains("acme"), "{listed}");
    // Each by its policy, as in every other bucket.
    let released = format!("{objects}/released%2Firis.json");
    assert_eq!(get(&analyst, &format!("{released}?alt=media")).await.status, 200);
    assert_eq!(get(&analyst, &format!("{objects}/runs%2F1")).await.status, 403);
    assert_eq!(get(&backup, &released).await.status, 403);
    let denied = caller.bearer("DELETE", &released, etl.trim(), b"").await;
    assert_eq!(denied.status, 403);
    assert!(denied.text().contains("ask for its release"), "{}", denied.text());
    // What is in an S3 store is not translated, and says where it is.
    let elsewhere = get(&etl, "/storage/v1/b/lake/o").await;
    assert_eq!(elsewhere.status, 501);
    assert!(elsewhere.text().contains("s3://lake"), "{}", elsewhere.text());

    // The store lets in nobody else, and keeps what it has.
    let secret = std::fs::read_to_string(dir.join("secrets/google-token")).unwrap();
    assert_eq!(get(&secret, &released).await.status, 401);
    let run = caller
        .bearer(
            "POST",
            &format!("{released}/copyTo/b/models/o/runs%2F1"),
            etl.trim(),
            b"",
        )
        .await;
    assert_eq!(run.status, 200, "{}", run.text());
    assert_eq!(quickstart.end().0, Some(0));
    let again = Quickstart::start(dir, &[]).await;
    let caller = again.caller(dir);
    let kept = caller
        .bearer(
            "GET",
            &format!("{objects}/runs%2F1?alt=media"),
            token("etl").trim(),
            b"",
        )
        .await;
    assert_eq!((kept.status, kept.body.len()), (200, 197));
    assert_eq!(again.end().0, Some(0));
}

#[tokio::test]
async fn what_is_written_by_gs_is_read_by_s3_and_the_doctor_finds_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let quickstart = Quickstart::start(dir, &ANY_PORT).await;
    let caller = quickstart.caller(dir);
    let token = std::fs::read_to_string(dir.join("tokens/etl.jwt")).unwrap();
    let token = token.trim();
    let upload = "/upload/storage/v1/b/models/o?uploadType=media&name=runs%2F1%2Fby-gs";
    let written = caller.bearer("POST", upload, token, b"by gs").await;
    assert_eq!(written.status, 200, "{}", written.text());

    let session = quickstart.session(dir, token).await;
    let read = session.get("/models/runs/1/by-gs").await;
    assert_eq!((read.status, read.text().as_str()), (200, "by gs"));
    assert_eq!(session.put("/models/runs/1/by-s3", b"by s3").await.status, 200);
    let media = "/storage/v1/b/models/o/runs%2F1%2Fby-s3?alt=media";
    assert_eq!(caller.bearer("GET", media, token, b"").await.text(), "by s3");
    for query in [
        "?list-type=2&prefix=runs%2F1%2F&delimiter=%2F",
        "?prefix=runs%2F1%2F",
    ] {
        let listed = session.get(&format!("/models{query}")).await.text();
        for key in ["runs/1/by-gs", "runs/1/by-s3"] {
            assert!(listed.contains(&format!("<Key>{key}</Key>")), "{listed}");
        }
        assert!(
            listed.contains("<Name>models</Name>") && !listed.contains("acme"),
            "{listed}"
        );
    }
    // The policy is the same one.
    let denied = session.put("/models/released/iris.json", b"mine").await;
    denied.refused("a release by S3", 403, "AccessDenied");
    assert!(denied.text().contains("ask for its release"), "{}", denied.text());
    assert_eq!(session.delete("/models/runs/1/by-gs").await.status, 204);
    assert_eq!(session.head("/models/runs/1/by-gs").await.status, 404);
    // gcloud leaves the slash out when it lists a folder.
    let analyst = std::fs::read_to_string(dir.join("tokens/analyst.jwt")).unwrap();
    for (prefix, status) in [
        ("released", 200),
        ("released%2F", 200),
        ("runs%2F", 403),
        ("", 403),
    ] {
        let list = format!("/storage/v1/b/models/o?prefix={prefix}");
        let listed = caller.bearer("GET", &list, analyst.trim(), b"").await;
        assert_eq!(listed.status, status, "{prefix}");
    }

    let mut doctor = Command::new(binary());
    let config = dir.join("tidegate.toml");
    doctor.args(["doctor", "--json", "--config"]).arg(config);
    let output = tokio::task::spawn_blocking(move || doctor.output().unwrap()).await;
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let failed = checks.iter().find(|check| check["outcome"] == "fail");
    assert_eq!(failed, None, "{said}");
    let models = checks
        .iter()
        .find(|check| check["check"] == "bucket" && check["about"] == "models");
    assert_eq!(models.unwrap()["outcome"], "ok", "{said}");
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(quickstart.end().0, Some(0));
}
