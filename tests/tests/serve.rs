//! Logs over HTTP, read by somebody who knows nothing but tlog-tiles: `tlog_tiles` rebuilds each log from
//! what a node serves, its own and its copies of others', and holds it against the checkpoint.
//!
//! What would make it fail: a tile of another width or content, a log that is not served, a path that
//! leaves the grammar and finds something, a method that is not for reading, a listener nobody asked for.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datacoop_tests::{Coop, json, wait_for};
use tlog_tiles::{Hash, HashReader as _, Tile, TileHashReader, TileReader};

const TILE_HEIGHT: u8 = 8;

/// What came back: status, headers, body.
struct Got(u16, String, Vec<u8>);

impl Got {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.1.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Sends these bytes; `None` when the server hung up without an answer.
fn send(address: &str, bytes: &[u8]) -> Option<Got> {
    let mut socket = TcpStream::connect(address).unwrap();
    // A server may answer and close before all of a request was written.
    let _sent = socket.write_all(bytes);
    let (mut answer, mut piece) = (vec![], [0; 4096]);
    while let Ok(read @ 1..) = socket.read(&mut piece) {
        answer.extend(&piece[..read]);
    }
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    Some(Got(head.split(' ').nth(1)?.parse().unwrap(), head, answer[end + 4..].to_vec()))
}

fn request(address: &str, method: &str, path: &str, more: &str) -> Got {
    let text = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{more}\r\n");
    send(address, text.as_bytes()).unwrap()
}

fn get(address: &str, path: &str) -> Got {
    request(address, "GET", path, "")
}

/// Tiles by HTTP, under a log's prefix.
struct Remote<'a>(&'a str, &'a str);

impl TileReader for Remote<'_> {
    fn height(&self) -> u8 {
        TILE_HEIGHT
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let read = |tile: &Tile| {
            let path = format!("{}{}", self.1, tile.path().replacen("tile/8/", "tile/", 1));
            let got = get(self.0, &path);
            assert_eq!(got.0, 200, "{path}");
            assert!(got.header("cache-control").unwrap().contains("immutable"));
            assert_eq!(got.header("content-type"), Some("application/octet-stream"));
            got.2
        };
        Ok(tiles.iter().map(read).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

/// Entries of a bundle: `u16be length || entry`.
fn entries(mut bundle: &[u8]) -> Vec<&[u8]> {
    let mut found = vec![];
    while let Some((length, rest)) = bundle.split_first_chunk::<2>() {
        let (entry, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)));
        found.push(entry);
        bundle = rest;
    }
    assert!(bundle.is_empty());
    found
}

/// Fetches the log under a prefix, rebuilds it and checks its root; its size.
fn rebuild(address: &str, prefix: &str, origin: &str) -> u64 {
    let checkpoint = get(address, &format!("{prefix}checkpoint"));
    assert_eq!((checkpoint.0, checkpoint.header("cache-control")), (200, Some("no-cache")));
    let text = String::from_utf8(checkpoint.2).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let size: u64 = lines[1].parse().unwrap();
    let root = Hash(STANDARD.decode(lines[2]).unwrap().try_into().unwrap());
    assert_eq!((lines[0], lines[3]), (origin, ""));
    let tiles = Remote(address, prefix);
    let reader = TileHashReader::new(size, root, &tiles);
    assert!((1..256).contains(&size), "one bundle holds this log: {size}");
    let bundle = get(address, &format!("{prefix}tile/entries/000.p/{size}")).2;
    let all = entries(&bundle);
    assert_eq!(all.len() as u64, size);
    let places: Vec<u64> = (0..size).map(|index| tlog_tiles::stored_hash_index(0, index)).collect();
    // The reader holds every tile against the root.
    let leaves = reader.read_hashes(&places).unwrap();
    for (entry, leaf) in all.iter().zip(&leaves) {
        assert_eq!(tlog_tiles::record_hash(entry).0, leaf.0);
    }
    // Tiles of every earlier checkpoint are there still, and no longer ones than the head covers.
    for width in 1..size {
        let count = usize::try_from(width).unwrap();
        let hashes = get(address, &format!("{prefix}tile/0/000.p/{width}")).2;
        assert_eq!(hashes, leaves[..count].iter().flat_map(|leaf| leaf.0).collect::<Vec<u8>>());
        let part = get(address, &format!("{prefix}tile/entries/000.p/{width}")).2;
        assert_eq!(entries(&part), all[..count]);
    }
    for beyond in [
        format!("tile/0/000.p/{}", size + 20),
        "tile/0/000".into(),
        "tile/entries/000".into(),
        "tile/1/000.p/1".into(),
        "tile/0/001.p/1".into(),
    ] {
        assert_eq!(get(address, &format!("{prefix}{beyond}")).0, 404, "{beyond}");
    }
    size
}

#[test]
fn a_node_serves_every_log_to_whoever_knows_tlog_tiles_and_nothing_else_to_anybody() {
    let mut coop = Coop::found(5, 10);
    coop.ok(0, &["charter", "propose", "--expires", "2027-08-31", "-o", "v2.txt"]);
    (0..4).for_each(|n| drop(coop.ok(n, &["charter", "sign", "v2.txt", "--yes"])));
    [0, 1, 2, 4].into_iter().for_each(|n| drop(coop.ok(n, &["charter", "adopt", "v2.txt"])));
    (0..5).for_each(|n| coop.start(n));
    (0..5).for_each(|n| coop.wait_connected(n));
    let served = coop.ok(0, &["log", "serve", "--listen", "127.0.0.1:0", "--json"]);
    let served = json(&served);
    let address = served["listening"].as_str().unwrap();
    // It has its own listener; the command line's door is elsewhere and stays shut.
    assert_eq!(get(address, "/v1/status").0, 404);
    let list = || String::from_utf8(get(address, "/").2).unwrap();
    wait_for("signed heads of all five", || list().lines().filter(|line| !line.ends_with(" 0")).count() == 5);
    for line in list().lines() {
        let [prefix, origin, _] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        rebuild(address, prefix, origin);
        let key = String::from_utf8(get(address, &format!("{prefix}log.vkey")).2).unwrap();
        assert!(key.starts_with(&format!("{origin}+")), "{key}");
        let policy = String::from_utf8(get(address, &format!("{prefix}policy")).2).unwrap();
        assert!(policy.starts_with(&format!("log {}", key.trim_end())), "{policy}");
        for version in ["charter/1.note", "charter/2.note"] {
            let charter = get(address, &format!("{prefix}{version}"));
            assert_eq!(charter.2, std::fs::read(coop.node(0).join(version)).unwrap());
        }
    }
    nothing_else(&coop, address);
    proofs(&coop, address);

    coop.ok(0, &["log", "serve", "--stop"]);
    assert!(TcpStream::connect(address).is_err(), "it was turned off");
    let again = coop.ok(0, &["log", "serve", "--stop"]);
    assert!(String::from_utf8_lossy(&again.stdout).contains("were not being served"));
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    coop.fails(0, &["log", "serve", "--listen", &taken], 1, "name an address of this computer");
}

/// Hostile paths, other methods, ranges and requests that are none.
fn nothing_else(coop: &Coop, address: &str) {
    let secret = std::fs::read(coop.node(0).join("keys/identity")).unwrap();
    let log = "/GB-EDU-000000";
    for path in [
        "/../keys/identity",
        "/keys/identity",
        "/config.toml",
        "//etc/passwd",
        "/%2e%2e/keys/identity",
        "/..%2fkeys%2fidentity",
        "/GB-EDU-000009/checkpoint",
        "/gb-edu-000000/checkpoint",
    ] {
        let got = get(address, path);
        assert!(got.0 == 404 && got.2.is_empty(), "{path}: {}", got.0);
    }
    for path in [
        "/../keys/identity",
        "/tile/../../keys/identity",
        "/tile/entries/../../../node0/keys/identity",
        "/tile/entries/%2e%2e/%2e%2e/keys/identity",
        "/charter/../../keys/identity",
        "/charter/3.note",
        "/charter/../1.note",
        "/tile/0/000.p/0",
        "/tile/0/000.p/01",
        "/tile/0/x000/000",
        "/tile/0/99999999999999999999",
        "/tile/4294967296/000",
        "/checkpoint/",
        "/blobs/00",
        "/journal",
    ] {
        let got = get(address, &format!("{log}{path}"));
        assert!(got.0 == 404 && got.2.is_empty(), "{path}: {}", got.0);
        assert_ne!(got.2, secret);
    }
    let checkpoint = format!("{log}/checkpoint");
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "PROPFIND"] {
        let Some(got) = send(
            address,
            format!("{method} {checkpoint} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
                .as_bytes(),
        ) else {
            continue;
        };
        assert!(got.0 == 405 || got.0 == 400, "{method}: {}", got.0);
    }
    // A page in this computer's browser that had its own name lead here reads nothing.
    for host in ["Host: evil.example\r\n", "Host: evil.example:8090\r\n", ""] {
        let text = format!("GET {checkpoint} HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
        let got = send(address, text.as_bytes()).unwrap();
        let said = String::from_utf8_lossy(&got.2).into_owned();
        assert!(got.0 == 403 && said.contains("ask for its address, or localhost"), "{}: {said}", got.0);
    }
    // A checkpoint gains its witnesses' lines meanwhile.
    let still = format!("{log}/policy");
    let whole = get(address, &still);
    let head = request(address, "HEAD", &still, "");
    assert_eq!((head.0, head.2.len()), (200, 0));
    assert_eq!(head.header("content-length"), whole.header("content-length"));
    // A range, however large, is answered with the whole or not at all.
    for range in ["bytes=0-", "bytes=0-99999999999999999999", "bytes=-1", &"bytes=0-1,".repeat(500)] {
        let got = request(address, "GET", &still, &format!("Range: {range}\r\n"));
        assert!(got.0 == 200 && got.2 == whole.2, "{}", got.0);
    }
    // A body is not read: it is answered, and the connection ends.
    let mut post =
        format!("POST {checkpoint} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 99999999\r\n\r\n")
            .into_bytes();
    post.extend(vec![b'x'; 1 << 20]);
    assert!(send(address, &post).is_none_or(|got| got.0 == 405));
    let mut long = format!("GET {checkpoint} HTTP/1.1\r\nHost: {address}\r\nX-Long: ").into_bytes();
    long.extend(vec![b'x'; 2 << 20]);
    assert!(send(address, &long).is_none_or(|got| got.0 == 431 || got.0 == 400));
    assert!(send(address, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").is_none_or(|got| got.0 == 400));
    assert_eq!(get(address, &checkpoint).0, 200, "it goes on serving");
}

/// A proof of one entry of any log is checked without a node; a changed one, or one of another log, fails.
fn proofs(coop: &Coop, address: &str) {
    let stored = |path: &str, name: &str| std::fs::write(coop.path(name), get(address, path).2).unwrap();
    stored("/GB-EDU-000001/policy", "one.policy");
    stored("/GB-EDU-000000/policy", "nought.policy");
    // A young head has no quorum of witnesses yet, and verify says so.
    wait_for("a witnessed head", || {
        for name in ["p.tlog-proof", "p.tlog-proof.entry", "p.tlog-proof.policy"] {
            std::fs::remove_file(coop.path(name)).ok();
        }
        coop.ok(0, &["log", "proof", "1", "--log", "GB-EDU-000001", "-o", "p.tlog-proof"]);
        coop.run(0, &["verify", "p.tlog-proof"]).status.success()
    });
    coop.fails(0, &["log", "proof", "1", "-o", "p.tlog-proof"], 2, "is there already");
    coop.fails(0, &["log", "proof", "9999", "-o", "q.tlog-proof"], 2, "covers");
    coop.fails(0, &["log", "proof", "0", "--log", "x", "-o", "q.tlog-proof"], 2, "the log of no member");
    let verified = json(&coop.ok(0, &["verify", "p.tlog-proof", "--policy", "one.policy", "--json"]));
    let proof = &verified["proofs"][0];
    assert_eq!((proof["result"].as_str(), proof["index"].as_u64()), (Some("pass"), Some(1)));
    assert_eq!(proof["entry"]["by"], "GB-EDU-000001");
    let text = String::from_utf8(coop.ok(0, &["verify", "p.tlog-proof"]).stdout).unwrap();
    assert!(text.contains("WARN policy") && text.ends_with("RESULT PASS\n"), "{text}");
    let other = coop.run(0, &["verify", "p.tlog-proof", "--policy", "nought.policy"]);
    assert_eq!(other.status.code(), Some(1), "{}", String::from_utf8_lossy(&other.stdout));
    let entry = std::fs::read(coop.path("p.tlog-proof.entry")).unwrap();
    let mut changed = entry.clone();
    changed[10] ^= 1;
    std::fs::write(coop.path("p.tlog-proof.entry"), &changed).unwrap();
    let failed = coop.run(0, &["verify", "p.tlog-proof", "--policy", "one.policy"]);
    let said = String::from_utf8_lossy(&failed.stdout).into_owned();
    assert!(failed.status.code() == Some(1) && said.contains("FAIL inclusion"), "{said}");
    std::fs::remove_file(coop.path("p.tlog-proof.entry")).unwrap();
    coop.fails(0, &["verify", "p.tlog-proof"], 2, "keep the file FILE.entry beside it");
    std::fs::write(coop.path("p.tlog-proof.entry"), &entry).unwrap();
    std::fs::write(coop.path("bad.policy"), "log x\nquorum none\n").unwrap();
    coop.fails(0, &["verify", "p.tlog-proof", "--policy", "bad.policy"], 2, "bad.policy");
}

/// Somebody follows while a question is asked: every entry is told once, checks are said, Ctrl-C ends it.
#[test]
fn a_follower_hears_every_entry_as_it_lands() {
    let mut coop = Coop::found(5, 10);
    (0..5).for_each(|n| coop.start(n));
    (0..5).for_each(|n| coop.wait_connected(n));
    let mut following = std::process::Command::new(datacoop_tests::program())
        .args(["audit", "--follow", "--from-start", "--json", "--check-every", "1s", "--node"])
        .arg(coop.node(4))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let (say, said) = std::sync::mpsc::channel();
    let mut out = std::io::BufReader::new(following.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        let mut line = String::new();
        while std::io::BufRead::read_line(&mut out, &mut line).is_ok_and(|read| read > 0) {
            let line: serde_json::Value = serde_json::from_str(&std::mem::take(&mut line)).unwrap();
            if say.send(line).is_err() {
                return;
            }
        }
    });
    let expires = coop.status(0)["charter"]["expires"].as_str().unwrap().to_owned();
    let (year, month) = (expires[..4].parse::<i64>().unwrap() - 1, &expires[5..7]);
    let autumn = if month >= "09" { year } else { year - 1 };
    let period = format!("{autumn}-09-01..{autumn}-12-18");
    let ask = ["ask", "--question", "mean.toml", "--period", &period, "--window", "20s", "--force", "--yes"];
    coop.ok(0, &[&ask[..], &["--why", "to see who does well", "--json"]].concat());
    let mut seen = vec![];
    let mut checks = 0;
    let deadline = std::time::Instant::now() + datacoop_tests::PATIENCE;
    while !seen.iter().any(|entry: &serde_json::Value| entry["kind"] == "release") || checks == 0 {
        let left = deadline.saturating_duration_since(std::time::Instant::now());
        let line = said.recv_timeout(left).expect("a release and a check are told");
        if line["schema"] == "datacoop.audit-check/1" {
            assert_eq!((line["result"].as_str(), line["logs"].as_u64()), (Some("pass"), Some(5)));
            checks += 1;
        } else {
            seen.push(line);
        }
    }
    let mut places: Vec<String> = seen.iter().map(|e| format!("{} {}", e["member"], e["index"])).collect();
    places.sort();
    let all = places.len();
    places.dedup();
    assert_eq!(places.len(), all, "each entry once");
    for kind in ["genesis", "charter", "query", "verdict", "roster", "debit", "release"] {
        assert!(seen.iter().any(|entry| entry["kind"] == kind), "{kind}");
    }
    let asked = seen.iter().find(|entry| entry["kind"] == "query").unwrap();
    let text = asked["text"].as_str().unwrap();
    assert!(text.starts_with("School 0 asked \"What do they score?\" ("), "{text}");
    assert!(text.contains("it costs each member 2 points (rho 0.005); why: to see who does well"), "{text}");
    let debit = seen.iter().find(|entry| entry["kind"] == "debit").unwrap()["text"].as_str().unwrap();
    assert!(debit.contains("'s ledger pays 2 points (rho 0.005) from exam"), "{debit}");
    assert!(seen.iter().all(|entry| entry["alert"] == false));
    std::process::Command::new("kill").args(["-INT", &following.id().to_string()]).status().unwrap();
    assert_eq!(following.wait().unwrap().code(), Some(130), "as every command that is cancelled");
    reader.join().unwrap();
}
