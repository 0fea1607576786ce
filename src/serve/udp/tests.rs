use std::net::UdpSocket;

use super::*;
use crate::config::Limits;
use crate::serve::testing::{Scripted, client, limits, listen, receive, until};

const ALL: [&str; 4] = ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"];

#[tokio::test(flavor = "multi_thread")]
async fn answers_in_place_and_keeps_silent() {
    let (_listeners, addresses) = listen(&Scripted::new(), &limits(), &ALL);
    for bound in addresses {
        let server = SocketAddr::new(reachable(bound.ip()), bound.port());
        let client = client(server);
        for packet in ["silent", "", "first", "silent", "second"] {
            client.send_to(packet.as_bytes(), server).unwrap();
        }
        // an empty datagram is a datagram, and not the end of anything
        for want in ["", "first", "second"] {
            assert_eq!(receive(&client), (want.to_owned(), server));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_at_once_get_their_own_replies() {
    let (_listeners, addresses) = listen(&Scripted::new(), &limits(), &["127.0.0.1:0"]);
    let clients: Vec<UdpSocket> = (0..20).map(|_| client(addresses[0])).collect();
    for round in 0..20 {
        for (number, client) in clients.iter().enumerate() {
            client.send_to(format!("{number} {round}").as_bytes(), addresses[0]).unwrap();
        }
    }
    for (number, client) in clients.iter().enumerate() {
        for round in 0..20 {
            assert_eq!(receive(client).0, format!("{number} {round}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wildcard_answers_from_the_address_that_was_asked() {
    let scripted = Scripted::new();
    scripted.gate.add_permits(10);
    let (_listeners, addresses) = listen(&scripted, &limits(), &["0.0.0.0:0"]);
    let client = UdpSocket::bind("0.0.0.0:0").unwrap();
    client.set_read_timeout(Some(crate::serve::testing::PATIENCE)).unwrap();
    for ip in ["127.0.0.1", "127.0.0.2", "127.9.9.9"] {
        let server = SocketAddr::new(ip.parse().unwrap(), addresses[0].port());
        client.send_to(b"local:", server).unwrap();
        assert_eq!(receive(&client), (server.to_string(), server));
        client.send_to(b"slow:", server).unwrap();
        assert_eq!(receive(&client), ("slow:".to_owned(), server));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_or_comes_from_ourselves_is_dropped() {
    let (_listeners, addresses) = listen(&Scripted::new(), &limits(), &["127.0.0.1:0", "127.0.0.2:0"]);
    let server = addresses[0];
    // shares the address with the second listener, as a spoofed packet would
    let ourselves = Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    ourselves.set_reuse_port(true).unwrap();
    ourselves.bind(&addresses[1].into()).unwrap();
    ourselves.send_to(b"hold:from ourselves", &server.into()).unwrap();
    let client = client(server);
    client.send_to(&[b'x'; 3000], server).unwrap();
    client.send_to(b"after", server).unwrap();
    assert_eq!(receive(&client).0, "after");
    // had the first been answered, its worker would be held, and with it half of these
    let more: Vec<UdpSocket> = (0..32).map(|_| crate::serve::testing::client(server)).collect();
    for client in &more {
        client.send_to(b"more", server).unwrap();
        assert_eq!(receive(client).0, "more");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_slow_lane_is_bounded_and_does_not_hold_up_others() {
    let scripted = Scripted::new();
    let (_listeners, addresses) = listen(&scripted, &Limits { forward_in_flight: 2, ..limits() }, &["127.0.0.1:0"]);
    let client = client(addresses[0]);
    for packet in ["slow:1", "slow:2", "slow:3", "fast"] {
        client.send_to(packet.as_bytes(), addresses[0]).unwrap();
    }
    assert_eq!(receive(&client).0, "overloaded");
    assert_eq!(receive(&client).0, "fast");
    scripted.gate.add_permits(2);
    let mut slow = [receive(&client).0, receive(&client).0];
    slow.sort();
    assert_eq!(slow, ["slow:1", "slow:2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_does_not_take_the_whole_slow_lane() {
    let scripted = Scripted::new();
    let one = Limits { forward_in_flight_per_client: 1, ..limits() };
    let (_listeners, addresses) = listen(&scripted, &one, &["127.0.0.1:0"]);
    let clients = ["127.0.0.1:0", "127.0.0.2:0"].map(|from| {
        let socket = UdpSocket::bind(from).unwrap();
        socket.set_read_timeout(Some(crate::serve::testing::PATIENCE)).unwrap();
        socket.connect(addresses[0]).unwrap();
        socket
    });
    for (client, question) in [(0, "slow:1"), (0, "slow:2"), (1, "slow:3")] {
        clients[client].send(question.as_bytes()).unwrap();
    }
    assert_eq!(receive(&clients[0]).0, "overloaded");
    scripted.gate.add_permits(2);
    assert_eq!((receive(&clients[0]).0, receive(&clients[1]).0), ("slow:1".to_owned(), "slow:3".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_all_that_has_come_in() {
    for address in ALL {
        let scripted = Scripted::new();
        let one = Limits { udp_workers: 1, ..limits() };
        let (listeners, addresses) = listen(&scripted, &one, &[address]);
        let server = SocketAddr::new(reachable(addresses[0].ip()), addresses[0].port());
        let client = client(server);
        client.send_to(b"hold:", server).unwrap();
        until(|| scripted.held.load(Ordering::Acquire) == 1).await;
        // these wait in the socket, more than one batch of them
        for number in 0..150 {
            client.send_to(format!("{number}").as_bytes(), server).unwrap();
        }
        client.send_to(b"slow:", server).unwrap();
        let stopped = tokio::spawn(listeners.stop());
        scripted.hold.add_permits(1);
        assert_eq!(receive(&client).0, "hold:");
        for number in 0..150 {
            assert_eq!(receive(&client).0, format!("{number}"));
        }
        assert!(!stopped.is_finished(), "a question waits for its upstream");
        scripted.gate.add_permits(1);
        assert_eq!(receive(&client), ("slow:".to_owned(), server));
        assert!(stopped.await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_workers_wake_for_a_stop() {
    let (listeners, _) = listen(&Scripted::new(), &limits(), &ALL);
    assert!(listeners.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_costs_a_batch_and_no_worker() {
    let one = Limits { udp_workers: 1, ..limits() };
    let (_listeners, addresses) = listen(&Scripted::new(), &one, &["127.0.0.1:0"]);
    let client = client(addresses[0]);
    client.send_to(b"panic", addresses[0]).unwrap();
    client.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    // the question may be lost with the batch, so it is asked until it is answered
    let answered = (0..400).any(|_| {
        client.send_to(b"again", addresses[0]).unwrap();
        client.recv(&mut [0; 16]).is_ok()
    });
    assert!(answered);
}
