//! The index is disposable: whatever becomes of it, it lists what the logs say.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use datacoop::driver::{Node, Run};
use datacoop::home::Home;
use datacoop_policy::QueryId;
use datacoop_protocol::rounds::Ending;
use datacoop_tests::program;

/// Starts the node in a folder; what its index and what its logs say was released.
async fn lists(folder: &Path) -> (Vec<(QueryId, String)>, Vec<(QueryId, String)>) {
    let run = Run { nodes: 1, demo: true, ..Run::default() };
    let node = Node::start(Home::new(folder), run).await.unwrap();
    let by_logs = node.handle().view(|member| {
        let rounds = member.fold().rounds().values();
        let released = rounds.filter(|round| matches!(round.ending(), Some(Ending::Released(_))));
        released.map(|round| (round.id, round.query().unwrap().question.question().id().to_owned())).collect()
    });
    let found = (node.handle().released(), by_logs.await.unwrap());
    node.stop().await.unwrap();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_or_broken_index_is_rebuilt_to_what_the_logs_say() {
    let dir = tempfile::tempdir().unwrap();
    let kept = dir.path().join("coop");
    let demo = Command::new(program())
        .args(["demo", "--members", "5", "--keep"])
        .arg(&kept)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(demo.success());
    let node = kept.join("DEMO-001");
    let (index, logs) = lists(&node).await;
    assert_eq!(index, logs);
    assert_eq!(index.len(), 1, "the demo's one benchmark");

    fs::remove_dir_all(node.join("index")).unwrap();
    assert_eq!(lists(&node).await, (index.clone(), logs.clone()));

    for file in fs::read_dir(node.join("index")).unwrap().flatten().filter(|file| file.path().is_file()) {
        fs::write(file.path(), b"rubbish").unwrap();
    }
    assert_eq!(lists(&node).await, (index, logs));
}
