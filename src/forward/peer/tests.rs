//! What upstreams do to one question, and what is made of it.

use std::sync::{Arc, Mutex};

use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;

use crate::forward::testing::{
    AtomicOnce, Over, Say, ScriptedUpstream, address, ask, error, forwarder, limits, question, reply, say,
};
use crate::forward::{Forwarder, Options};

#[tokio::test]
async fn truncation_leads_to_tcp() {
    let upstream = ScriptedUpstream::start(|query, over| match over {
        Over::Udp => {
            let mut cut = error(query, ResponseCode::NoError);
            cut.metadata.truncation = true;
            // cut somewhere, as sloppy servers do: the header promises a record
            let mut octets = cut.to_vec().unwrap();
            octets[7] = 1;
            vec![Say::Octets(octets)]
        }
        Over::Tcp => say(&reply(query, [192, 0, 2, 1])),
    })
    .await;
    assert_eq!(address(&ask(upstream.alone()).await.unwrap()), "192.0.2.1");
    let ids = upstream.ids.lock().unwrap().clone();
    assert_eq!(ids.len(), 2);
}

#[tokio::test]
async fn guessing_is_shut_out_by_tcp() {
    let upstream = ScriptedUpstream::start(|query, over| {
        let mut bad = reply(query, [203, 0, 113, 66]);
        bad.metadata.id = !bad.metadata.id;
        match over {
            Over::Udp => (0..100).flat_map(|_| say(&bad)).collect(),
            Over::Tcp => say(&reply(query, [192, 0, 2, 1])),
        }
    })
    .await;
    assert_eq!(address(&ask(upstream.alone()).await.unwrap()), "192.0.2.1");
}

#[tokio::test]
async fn an_upstream_without_edns_is_asked_without() {
    for bare in [false, true] {
        let upstream = ScriptedUpstream::start(move |query, _| match &query.edns {
            Some(edns) => {
                assert!(edns.flags().dnssec_ok && edns.max_payload() == 1232);
                let octets = error(query, ResponseCode::FormErr).to_vec().unwrap();
                // servers of the old days send the header alone
                let mut header = octets[..12].to_vec();
                header[5] = 0;
                vec![Say::Octets(if bare { header } else { octets })]
            }
            None => say(&reply(query, [192, 0, 2, 1])),
        })
        .await;
        assert_eq!(address(&ask(upstream.alone()).await.unwrap()), "192.0.2.1");
        let ids = upstream.ids.lock().unwrap().clone();
        assert_eq!(ids.len(), 2);
    }
}

/// Anybody can run a server for which a resolver says FORMERR: signatures for all others must still be asked for.
#[tokio::test]
async fn one_formerr_does_not_take_edns_from_all() {
    for (known, errors_have_opt) in [(true, false), (false, true)] {
        let upstream = ScriptedUpstream::start(move |query, _| {
            let is_evil = query.queries[0].name().to_string().contains("evil");
            let mut message = match &query.edns {
                Some(_) if is_evil => error(query, ResponseCode::FormErr),
                _ => reply(query, [192, 0, 2, 1]),
            };
            message.edns = query.edns.as_ref().filter(|_| !is_evil || errors_have_opt).map(|_| Edns::new());
            say(&message)
        })
        .await;
        let forwarder = forwarder();
        if known {
            forwarder.ask(&question(), upstream.alone()).await.unwrap();
        }
        for _ in 0..10 {
            let evil = question().with_name(b"\x04evil\x07example\0");
            let reply = forwarder.ask(&evil, upstream.alone()).await.unwrap();
            assert_eq!(address(&Message::from_vec(&reply).unwrap()), "192.0.2.1", "it is answered without EDNS");
        }
        let reply = forwarder.ask(&question(), upstream.alone()).await.unwrap();
        assert!(Message::from_vec(&reply).unwrap().edns.is_some(), "EDNS is gone: known {known}");
    }
}

#[tokio::test]
async fn cookies_are_sent_back_and_wrong_ones_ignored() {
    let upstream = ScriptedUpstream::start(|query, _| {
        let Some(sent) = cookie(query) else { return say(&error(query, ResponseCode::FormErr)) };
        let with = |mut message: Message, cookie: &[u8]| {
            let mut edns = Edns::new();
            edns.options_mut().insert(EdnsOption::Unknown(10, cookie.to_vec()));
            message.edns = Some(edns);
            message
        };
        let ours = [&sent[..8], b"server-cookie-16"].concat();
        if sent.len() == 8 {
            // BADCOOKIE (RFC 7873 8)
            return say(&with(error(query, ResponseCode::BADCOOKIE), &ours));
        }
        assert_eq!(sent, ours, "it was sent back");
        let forged = with(reply(query, [203, 0, 113, 66]), b"guessed!server-cookie-16");
        [say(&forged), say(&with(reply(query, [192, 0, 2, 1]), &ours))].into_iter().flatten().collect()
    })
    .await;
    assert_eq!(address(&ask(upstream.alone()).await.unwrap()), "192.0.2.1");
    assert_eq!((upstream.asked(Over::Udp), upstream.asked(Over::Tcp)), (2, 0));
}

/// Who has always given cookies and now does not may be somebody else: it has to say so by TCP.
#[tokio::test]
async fn a_reply_that_lost_its_cookie_is_not_believed() {
    let count = AtomicOnce::default();
    let upstream = ScriptedUpstream::start(move |query, over| {
        let mut message = reply(query, if over == Over::Tcp { [192, 0, 2, 2] } else { [192, 0, 2, 1] });
        if count.first() {
            let mut edns = Edns::new();
            edns.options_mut().insert(EdnsOption::Unknown(10, [&cookie(query).unwrap()[..8], b"server-8"].concat()));
            message.edns = Some(edns);
        }
        say(&message)
    })
    .await;
    let (forwarder, upstreams) = (forwarder(), [upstream.address.clone()]);
    for want in ["192.0.2.1", "192.0.2.2", "192.0.2.1"] {
        let reply = forwarder.ask(&question(), &upstreams).await.unwrap();
        assert_eq!(address(&Message::from_vec(&reply).unwrap()), want, "it gave none by TCP: it gives none any more");
    }
}

#[tokio::test]
async fn letters_are_mixed_where_they_come_back() {
    let names = Arc::new(Mutex::new(Vec::new()));
    let seen = |names: &Arc<Mutex<Vec<String>>>, query: &Message| {
        names.lock().unwrap().push(query.queries[0].name().to_string());
    };
    let upstream = ScriptedUpstream::start({
        let names = Arc::clone(&names);
        move |query, _| {
            seen(&names, query);
            say(&reply(query, [192, 0, 2, 1]))
        }
    })
    .await;
    let options = Options { mix_case: true, ..Options::default() };
    let forwarder = Forwarder::with(&limits(), options);
    for _ in 0..20 {
        let reply = forwarder.ask(&question(), upstream.alone()).await.unwrap();
        assert_eq!(Message::from_vec(&reply).unwrap().queries[0].name().to_string(), "Www.example.");
    }
    let mut sent = std::mem::take(&mut *names.lock().unwrap());
    sent.sort();
    sent.dedup();
    assert!(sent.len() > 10, "{sent:?}");

    let lowers = ScriptedUpstream::start(move |query, _| {
        let mut octets = reply(query, [192, 0, 2, 1]).to_vec().unwrap();
        octets[12..25].make_ascii_lowercase();
        vec![Say::Octets(octets)]
    })
    .await;
    for _ in 0..20 {
        assert!(forwarder.ask(&question(), lowers.alone()).await.is_ok());
    }
    assert!((2..=5).contains(&lowers.asked(Over::Tcp)), "by TCP until it is known: {}", lowers.asked(Over::Tcp));
}

#[tokio::test]
async fn silence_to_edns_is_no_silence() {
    let upstream = ScriptedUpstream::start(|query, _| match &query.edns {
        Some(_) => Vec::new(),
        None => say(&reply(query, [192, 0, 2, 1])),
    })
    .await;
    let (forwarder, upstreams) = (forwarder(), [upstream.address.clone()]);
    for _ in 0..5 {
        assert!(forwarder.ask(&question(), &upstreams).await.is_ok());
    }
    assert_eq!(upstream.asked(Over::Udp), 2 * 3 + 2, "after three times it is known");
}

/// What the upstream says comes back octet for octet, whatever it is.
#[tokio::test]
async fn what_is_said_passes_unharmed() {
    let cname = |from: u8, to: u8| [&[1, from, 0, 0, 5, 0, 1, 0, 0, 0, 9, 0, 3, 1][..], &[to, 0]].concat();
    let chain: Vec<u8> = (b'a'..b'a' + 20).flat_map(|from| cname(from, from + 1)).collect();
    let soa = b"\0\0\x06\0\x01\0\0\0\x09\0\x1a\x01a\0\x01b\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05";
    let dname =
        b"\xc0\x10\0\x27\0\x01\0\0\0\x09\0\x07\x05other\0\xc0\x0c\0\x05\0\x01\0\0\0\x09\0\x0b\x03Www\x05other\0";
    let unknown = b"\xc0\x0c\xff\x12\0\x01\0\0\0\x09\0\x04\xc0\x0c\xff\xff";
    // the mandatory key (RFC 9460 8) names a key that is not there, and "alpn" holds a length beyond its end
    let svcb = b"\xc0\x0c\0\x40\0\x01\0\0\0\x09\0\x0f\0\x01\0\0\0\0\x02\0\x07\0\x01\0\x02\xff\x00";
    for (what, counts, rcode, records) in [
        ("20 CNAMEs", [20, 0], 0, chain),
        ("a DNAME", [2, 0], 0, dname.to_vec()),
        ("NXDOMAIN behind a CNAME", [1, 1], 3, [cname(b'a', b'b'), soa.to_vec()].concat()),
        ("an unknown type", [1, 0], 0, unknown.to_vec()),
        ("an SVCB that is none", [1, 0], 0, svcb.to_vec()),
    ] {
        let said = Arc::new(Mutex::new(Vec::new()));
        let upstream = ScriptedUpstream::start({
            let said = Arc::clone(&said);
            move |query, _| {
                let mut octets = error(query, ResponseCode::NoError).to_vec().unwrap();
                octets[3] |= rcode;
                (octets[7], octets[9]) = (counts[0], counts[1]);
                octets.extend_from_slice(&records);
                said.lock().unwrap().clone_from(&octets);
                vec![Say::Octets(octets)]
            }
        })
        .await;
        let reply = forwarder().ask(&question(), upstream.alone()).await.unwrap();
        assert_eq!(reply, *said.lock().unwrap(), "{what}");
        assert_eq!(Message::from_vec(&reply).is_err(), what.starts_with("an SVCB"), "{what}: the test is one");
    }
}

#[tokio::test]
async fn the_longest_reply_comes_by_tcp() {
    let upstream = ScriptedUpstream::start(|query, over| {
        let mut octets = error(query, ResponseCode::NoError).to_vec().unwrap();
        if over == Over::Udp {
            octets[2] |= 2;
        } else {
            let len = (65_535 - octets.len() - 12) as u16;
            octets[7] = 1;
            octets.extend_from_slice(b"\xc0\x0c\xff\x12\0\x01\0\0\0\x09");
            octets.extend_from_slice(&len.to_be_bytes());
            octets.resize(65_535, 7);
        }
        vec![Say::Octets(octets)]
    })
    .await;
    assert_eq!(forwarder().ask(&question(), upstream.alone()).await.unwrap().len(), 65_535);
}

fn cookie(query: &Message) -> Option<Vec<u8>> {
    let mut all = query.edns.as_ref()?.options().as_ref().iter();
    let (_, option) = all.find(|(code, _)| u16::from(*code) == 10)?;
    Vec::<u8>::try_from(option).ok()
}
