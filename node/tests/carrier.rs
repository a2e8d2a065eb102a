//! The carrier's gates, over real TCP and Noise: members get through, nobody else does.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use datacoop::net::{Carrier, CarrierConfig, NetEvent};
use datacoop_policy::MemberId;
use datacoop_protocol::bounds::FRAME_BYTES_MAX;
use datacoop_protocol::keys::Keys;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

struct Party {
    carrier: Carrier,
    events: UnboundedReceiver<NetEvent>,
}

fn id(n: u8) -> MemberId {
    format!("M{n}").parse().unwrap()
}

fn keys(n: u8) -> Keys {
    Keys::from_seed([n; 32], "x.example", 1)
}

/// Party `n` of co-operative `charter`, which lets `allowed` in.
async fn party(n: u8, charter: u8, allowed: &[u8], listens: bool) -> Party {
    let (sender, events) = unbounded_channel();
    let config = CarrierConfig {
        secret: *keys(n).transport(),
        charter: [charter; 32],
        listen: if listens { vec!["/ip4/127.0.0.1/tcp/0".into()] } else { vec![] },
        allowed: allowed.iter().map(|n| (id(*n), keys(*n).public().peer)).collect(),
        nodes: 4,
        recorder: None,
    };
    Party { carrier: Carrier::start(config, sender).await.unwrap(), events }
}

impl Party {
    async fn next(&mut self) -> Option<NetEvent> {
        tokio::time::timeout(Duration::from_secs(5), self.events.recv()).await.ok().flatten()
    }

    /// Events until nothing happens for a moment, as text.
    async fn settle(&mut self) -> String {
        let mut seen = String::new();
        while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(700), self.events.recv()).await
        {
            seen += &format!("{event:?}\n");
        }
        seen
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_asks_and_is_answered() {
    let mut one = party(1, 7, &[2], true).await;
    let mut two = party(2, 7, &[1], false).await;
    two.carrier.dial(id(1), one.carrier.addresses().to_vec()).await;
    assert!(matches!(two.next().await, Some(NetEvent::Connected(who)) if who == id(1)));
    assert!(matches!(one.next().await, Some(NetEvent::Connected(who)) if who == id(2)));
    let mut times = vec![];
    for n in 0..200u64 {
        let began = Instant::now();
        two.carrier.request(id(1), n, vec![1, 2, 3]).await;
        let Some(NetEvent::Request(from, exchange, bytes)) = one.next().await else { panic!("no request") };
        assert_eq!((from, bytes), (id(2), vec![1, 2, 3]));
        one.carrier.reply(exchange, vec![4]).await;
        let Some(NetEvent::Reply(_, answered, bytes)) = two.next().await else { panic!("no reply") };
        assert_eq!((answered, bytes), (n, vec![4]));
        times.push(began.elapsed());
    }
    times.sort();
    println!("request and reply over loopback: p50 {:?}", times[100]);

    // An empty reply is none; a frame that is too large never arrives.
    two.carrier.request(id(1), 900, vec![1]).await;
    let Some(NetEvent::Request(_, exchange, _)) = one.next().await else { panic!("no request") };
    one.carrier.reply(exchange, vec![]).await;
    assert!(matches!(two.next().await, Some(NetEvent::NoReply(_, 900))));
    two.carrier.request(id(1), 901, vec![0; FRAME_BYTES_MAX + 1]).await;
    assert!(matches!(two.next().await, Some(NetEvent::NoReply(_, 901))));
    assert!(!one.settle().await.contains("Request"));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_at_once_are_all_answered() {
    let mut one = party(1, 7, &[2], true).await;
    let mut two = party(2, 7, &[1], true).await;
    two.carrier.dial(id(1), one.carrier.addresses().to_vec()).await;
    assert!(matches!(two.next().await, Some(NetEvent::Connected(_))));
    assert!(matches!(one.next().await, Some(NetEvent::Connected(_))));
    // Both ask at once, more than a connection has streams for.
    for n in 0..100 {
        two.carrier.request(id(1), n, vec![1]).await;
        one.carrier.request(id(2), n, vec![2]).await;
    }
    let mut answered = 0;
    while answered < 200 {
        let (event, party) = tokio::select! {
            event = one.events.recv() => (event.unwrap(), &one),
            event = two.events.recv() => (event.unwrap(), &two),
        };
        assert!(matches!(event, NetEvent::Request(..) | NetEvent::Reply(..)), "{event:?}");
        if let NetEvent::Request(_, exchange, bytes) = event {
            party.carrier.reply(exchange, bytes).await;
        } else {
            answered += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_asks_too_much_gets_no_answer() {
    let mut one = party(1, 7, &[2], true).await;
    let mut two = party(2, 7, &[1], false).await;
    two.carrier.dial(id(1), one.carrier.addresses().to_vec()).await;
    assert!(matches!(two.next().await, Some(NetEvent::Connected(_))));
    tokio::spawn(async move {
        while let Some(event) = one.events.recv().await {
            if let NetEvent::Request(_, exchange, _) = event {
                one.carrier.reply(exchange, vec![4]).await;
            }
        }
    });
    let (mut asked, mut answered) = (0, 0);
    for _ in 0..100 {
        two.carrier.request(id(1), asked, vec![1]).await;
        asked += 1;
    }
    while asked < 20_000 {
        match two.next().await {
            Some(NetEvent::Reply(..)) => answered += 1,
            Some(NetEvent::NoReply(..)) => break,
            other => panic!("{other:?}"),
        }
        two.carrier.request(id(1), asked, vec![1]).await;
        asked += 1;
    }
    assert!((400..19_000).contains(&answered), "{answered}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gets_no_application_byte_through() {
    let mut member = party(1, 7, &[2], true).await;
    let mut stranger = party(3, 7, &[1], false).await;
    stranger.carrier.dial(id(1), member.carrier.addresses().to_vec()).await;
    for n in 0..5 {
        stranger.carrier.request(id(1), n, vec![9]).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let seen = member.settle().await;
    assert!(!seen.contains("Request") && !seen.contains("Connected"), "{seen}");
    let seen = stranger.settle().await;
    assert!(!seen.contains("Reply(M1, 0, ["), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_key_of_another_cooperative_does_not_get_through_the_handshake() {
    let mut member = party(1, 7, &[2], true).await;
    let mut other = party(2, 8, &[1], false).await;
    other.carrier.dial(id(1), member.carrier.addresses().to_vec()).await;
    let seen = other.settle().await;
    assert!(seen.contains("DialFailed") && !seen.contains("Connected(M1)"), "{seen}");
    assert!(!member.settle().await.contains("Connected"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_a_clear_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (sender, _events) = unbounded_channel();
    let config = CarrierConfig {
        secret: [1; 32],
        charter: [7; 32],
        listen: vec![format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port())],
        allowed: vec![],
        nodes: 1,
        recorder: None,
    };
    let error = Carrier::start(config, sender).await.err().unwrap().to_string();
    assert!(error.contains("cannot listen on /ip4/127.0.0.1/tcp/"), "{error}");
}
