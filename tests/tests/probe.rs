//! A real node's process against a peer that says what it likes over the real wire: SECURITY.md S01 to
//! S04. A node that is alive afterwards, no larger, and answers as before has passed.

use datacoop::net::NetEvent;
use datacoop_protocol::bounds::FRAME_BYTES_MAX;
use datacoop_protocol::wire::{Reply, Request, decode, encode};
use datacoop_tests::Coop;
use datacoop_tests::probe::{Probe, resident};

/// What a node may grow by while it is thrown at.
const GROWTH_BYTES_MAX: u64 = 2 * 1_024 * 1_024;

fn pull() -> Vec<u8> {
    encode(&Request::Pull { have: vec![] })
}

/// A pull that is no pull: each in another way, none of them a frame.
fn malformed() -> Vec<(&'static str, Vec<u8>)> {
    let many = |kind: u8, items: u64| [&[kind, 0, 0, 0][..], &items.to_le_bytes()].concat();
    let mut trailing = pull();
    trailing.push(0);
    vec![
        ("a length of 0xFFFFFFFF and a byte", vec![0xff, 0xff, 0xff, 0xff, 1]),
        ("a pull of 2^63 heads", many(0, 1 << 63)),
        ("a push of 2^63 sections", many(1, 1 << 63)),
        ("a put of 2^63 pieces", many(2, 1 << 63)),
        ("a get that ends early", many(3, 1)),
        ("a kind of no frame", many(9, 0)),
        ("a trailing byte", trailing),
        ("a length in another form", vec![0, 0, 0, 0, 0]),
        ("another protocol", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
    ]
}

#[test]
fn a_foreign_key_hears_nothing() {
    let mut coop = Coop::found(3, 10);
    coop.start(0);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let heard = runtime.block_on(async {
        let mut probe = Probe::new(&coop, 0, None).await;
        probe.dial().await;
        probe.throw(pull()).await;
        probe.everything().await
    });
    let spoke = |event: &NetEvent| matches!(event, NetEvent::Reply(..) | NetEvent::Request(..));
    assert!(!heard.iter().any(spoke), "{heard:?}");
    // A member is answered at the same address: the silence above was no accident.
    let answer = runtime.block_on(async {
        let mut probe = Probe::new(&coop, 0, Some(2)).await;
        probe.dial().await;
        probe.ask(pull()).await
    });
    assert!(matches!(decode(&answer.unwrap()), Ok(Reply::Sections { .. })));
}

#[test]
fn a_members_malformed_frames_leave_the_node_as_it_was() {
    let mut coop = Coop::found(3, 10);
    coop.start(0);
    let process = coop.process(0);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut probe = Probe::new(&coop, 0, Some(2)).await;
        probe.dial().await;
        assert!(matches!(decode(&probe.ask(pull()).await.unwrap()), Ok(Reply::Sections { .. })));
        for (name, frame) in malformed() {
            let answer = probe.ask(frame).await;
            let told = answer.map(|bytes| decode::<Reply>(&bytes).unwrap());
            assert!(matches!(told, Some(Reply::Incompatible)), "{name}: {told:?}");
        }
        // A frame longer than a frame may be is not even read to its end.
        assert_eq!(probe.ask(vec![0; FRAME_BYTES_MAX + 1]).await, None);
    });
    let before = resident(process);
    // Another member: the node has stopped listening to the first one.
    runtime.block_on(async {
        let mut probe = Probe::new(&coop, 0, Some(1)).await;
        probe.dial().await;
        for _ in 0..1_000 {
            probe.throw(vec![0xff, 0xff, 0xff, 0xff, 1]).await;
        }
        probe.everything().await;
    });
    let grown = resident(process).saturating_sub(before);
    assert!(grown < GROWTH_BYTES_MAX, "the node grew by {grown} bytes");
    assert_eq!(coop.status(0)["logs"][1]["entries"], 0, "nothing of it stands in a log");
}
