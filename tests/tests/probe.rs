//! A real node's process against a peer that says what it likes over the real wire: SECURITY.md S01 to
//! S04. A node that is alive afterwards, no larger, and answers as before has passed.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use datacoop::net::NetEvent;
use datacoop_protocol::bounds::{BLOB_BYTES_MAX, FRAME_BYTES_MAX, PIECE_BYTES_MAX};
use datacoop_protocol::wire::{BlobPiece, Bytes, Reply, Request, decode, encode};
use datacoop_tests::Coop;
use datacoop_tests::probe::{Probe, Strait, resident};

/// What a node may grow by while it is thrown at.
const GROWTH_BYTES_MAX: u64 = 2 * 1_024 * 1_024;

fn pull() -> Vec<u8> {
    encode(&Request::Pull { have: vec![], heard: vec![] })
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

/// How long an honest member waits for an answer at most while another floods: SECURITY.md S30.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// What a member may make a node do, as it says itself: 400 requests at once, and 200 a second.
const REQUEST_BURST: usize = 400;
const REQUEST_RATE: usize = 200;
/// What a stalled peer may make it hold: the frames of all its requests.
const STALLED_BYTES_MAX: u64 = 16 * FRAME_BYTES_MAX as u64;

/// An honest member pulls, again and again, and is answered each time before long.
async fn is_served(probe: &mut Probe, until: Instant) -> usize {
    let mut served = 0;
    while Instant::now() < until {
        let asked = Instant::now();
        let answer = probe.ask(pull()).await.expect("an answer");
        let took = asked.elapsed();
        assert!(matches!(decode(&answer), Ok(Reply::Sections { .. })));
        assert!(took < ANSWER_MAX, "answer {served} took {took:?}");
        served += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    served
}

#[test]
fn a_member_that_floods_is_answered_at_its_rate_and_the_others_as_before() {
    let mut coop = Coop::found(3, 10);
    coop.start(0);
    let process = coop.process(0);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut honest = Probe::new(&coop, 0, Some(1)).await;
        let mut flooder = Probe::new(&coop, 0, Some(2)).await;
        assert!(honest.dial().await && flooder.dial().await);
        honest.ask(pull()).await.unwrap();
        let (before, began) = (resident(process), Instant::now());
        let until = began + Duration::from_secs(5);
        let frame = pull();
        let (served, (answered, dropped)) =
            tokio::join!(is_served(&mut honest, until), flooder.flood(&frame, until));
        let most = REQUEST_BURST + REQUEST_RATE * usize::try_from(began.elapsed().as_secs() + 1).unwrap();
        assert!(dropped > 0, "it never asked for too much: {answered} answers");
        assert!(answered <= most, "{answered} answers; at most {most}");
        assert!(served > 10, "{served} answers to the honest member");
        let grown = resident(process).saturating_sub(before);
        assert!(grown < STALLED_BYTES_MAX, "the node grew by {grown} bytes");
    });
}

/// A peer whose wire stands still in the midst of long frames, and who reads no answer: it holds up
/// nobody, and no more of the node than its own frames.
#[test]
fn a_peer_that_stalls_holds_up_nobody() {
    let mut coop = Coop::found(3, 10);
    coop.start(0);
    let process = coop.process(0);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut honest = Probe::new(&coop, 0, Some(1)).await;
        let mut slow = Probe::new(&coop, 0, Some(2)).await;
        let strait = Strait::to(slow.address()).await;
        slow.by_way_of(&strait.address);
        assert!(honest.dial().await && slow.dial().await);
        assert!(slow.ask(pull()).await.is_some() && honest.ask(pull()).await.is_some());
        let before = resident(process);
        for _ in 0..64 {
            slow.throw(pull()).await;
            slow.throw(vec![0xff; FRAME_BYTES_MAX]).await;
        }
        strait.stall();
        let served = is_served(&mut honest, Instant::now() + Duration::from_secs(5)).await;
        assert!(served > 10, "{served} answers to the honest member");
        let grown = resident(process).saturating_sub(before);
        assert!(grown < STALLED_BYTES_MAX, "the node grew by {grown} bytes");
    });
}

/// Two connections of one key, while both sides dial; whoever opens more is turned away, and so is who
/// opens many and says nothing. Members that are connected notice nothing.
#[test]
fn connections_beyond_the_limit_are_turned_away() {
    let mut coop = Coop::found(3, 10);
    coop.start(0);
    let process = coop.process(0);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut honest = Probe::new(&coop, 0, Some(1)).await;
        assert!(honest.dial().await);
        let mut stood = vec![];
        for _ in 0..6 {
            let mut probe = Probe::new(&coop, 0, Some(2)).await;
            let answered = probe.dial().await && probe.ask(pull()).await.is_some();
            stood.push((answered, probe));
        }
        let stands = stood.iter().filter(|(answered, _)| *answered).count();
        assert_eq!(stands, 2, "connections of one key");
        let before = resident(process);
        let port: u16 = honest.address().rsplit('/').next().unwrap().parse().unwrap();
        let silent: Vec<TcpStream> =
            (0..500).filter_map(|_| TcpStream::connect(("127.0.0.1", port)).ok()).collect();
        assert!(silent.len() > 100, "{} connections", silent.len());
        let served = is_served(&mut honest, Instant::now() + Duration::from_secs(3)).await;
        assert!(served > 10, "{served} answers to the honest member");
        let grown = resident(process).saturating_sub(before);
        assert!(grown < STALLED_BYTES_MAX, "the node grew by {grown} bytes");
    });
}

/// Pieces of blobs that no entry names, and of one longer than a blob may be: not kept.
#[test]
fn blobs_that_nobody_named_or_that_are_too_long_are_not_kept() {
    let mut coop = Coop::found(3, 10);
    coop.start(0);
    let process = coop.process(0);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut probe = Probe::new(&coop, 0, Some(2)).await;
        assert!(probe.dial().await);
        probe.ask(pull()).await.unwrap();
        let before = resident(process);
        for n in 0..100_u8 {
            let total = if n % 2 == 0 { BLOB_BYTES_MAX as u64 } else { BLOB_BYTES_MAX as u64 + 1 };
            let bytes = Bytes(vec![n; PIECE_BYTES_MAX]);
            let piece = BlobPiece { hash: [n; 32], total, offset: 0, bytes };
            let answer = probe.ask(encode(&Request::BlobPut { pieces: vec![piece] })).await.unwrap();
            assert_eq!(decode(&answer), Ok(Reply::Stored { held: vec![None] }), "blob {n}");
        }
        let grown = resident(process).saturating_sub(before);
        assert!(grown < STALLED_BYTES_MAX, "the node grew by {grown} bytes of 25 MB that it was sent");
    });
}
