//! The command line's way to its node: straight, whatever the environment says.

use std::net::TcpListener;
use std::process::{Command, Stdio};

#[test]
fn the_doors_token_reaches_no_proxy() {
    let program = env!("CARGO_BIN_EXE_datacoop");
    let dir = tempfile::tempdir().unwrap();
    let node = dir.path().join("node");
    let init = ["init", "--id", "GB-1", "--name", "One", "--host", "one.example", "--people-max", "5"];
    let made =
        Command::new(program).arg("--node").arg(&node).args(init).stdout(Stdio::null()).status().unwrap();
    assert!(made.success());
    let (proxy, door) =
        (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
    let text = format!("{{\"address\":\"{}\",\"token\":\"secret\"}}", address(&door));
    std::fs::create_dir_all(node.join("run")).unwrap();
    std::fs::write(node.join("run/api"), text).unwrap();
    let mut command = Command::new(program);
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env(name, format!("http://{}", address(&proxy)));
    }
    let child = command.arg("--node").arg(&node).arg("status").stderr(Stdio::null()).spawn();
    let mut child = child.unwrap();
    // Whoever is called first: the door hangs up, so that the command ends.
    proxy.set_nonblocking(true).unwrap();
    door.set_nonblocking(true).unwrap();
    let mut called = false;
    while child.try_wait().unwrap().is_none() {
        called |= door.accept().is_ok();
        assert!(proxy.accept().is_err(), "the token went to a proxy");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(called);
}
