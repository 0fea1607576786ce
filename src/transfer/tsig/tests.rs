use std::str::FromStr;

use hickory_proto::op::Message as TheirMessage;
use hickory_proto::rr::TSigner;
use hickory_proto::rr::rdata::tsig::TsigAlgorithm as TheirAlgorithm;
use hickory_proto::serialize::binary::BinEncodable;

use super::*;
use crate::config::Secret;
use crate::dns::{Header, HeaderFlags};
use crate::export::{EndpointZones, ViewId};

const NOW: u64 = 1_795_747_200;
const SECRET: &[u8] = b"thirty-two octets of a secret...";

fn setting(name: &str, algorithm: TsigAlgorithm) -> TransferKey {
    let view = ViewId { vpc: None, endpoint_zones: EndpointZones::None };
    let secret = Secret::new(BASE64.encode(SECRET));
    TransferKey { name: name.parse().unwrap(), algorithm, secret, view, notify: vec![] }
}

fn key(algorithm: TsigAlgorithm) -> TsigKey {
    TsigKey::new(&setting("key.example", algorithm)).unwrap()
}

/// The same key of the other implementation.
fn theirs(algorithm: TsigAlgorithm) -> TSigner {
    let theirs = match algorithm {
        TsigAlgorithm::Sha256 => TheirAlgorithm::HmacSha256,
        TsigAlgorithm::Sha384 => TheirAlgorithm::HmacSha384,
        TsigAlgorithm::Sha512 => TheirAlgorithm::HmacSha512,
    };
    TSigner::new(SECRET.to_vec(), theirs, hickory_proto::rr::Name::from_str("key.example.").unwrap(), 300).unwrap()
}

/// A SOA question, not signed.
fn question(id: u16) -> Vec<u8> {
    let header = Header { id, flags: HeaderFlags::NONE, questions: 1, ..Header::default() };
    [&header.octets()[..], b"\x04corp\x07example\0\0\x06\0\x01"].concat()
}

fn record(packet: &[u8]) -> TsigRecord<'_> {
    TsigRecord::of(&Message::parse(packet).unwrap()).unwrap().unwrap()
}

fn signed(key: &TsigKey) -> Vec<u8> {
    let mut packet = question(7);
    key.sign_request(&mut packet, NOW);
    packet
}

#[test]
fn the_other_implementation_takes_what_is_signed_here_and_the_other_way_round() {
    for algorithm in [TsigAlgorithm::Sha256, TsigAlgorithm::Sha384, TsigAlgorithm::Sha512] {
        let (ours, theirs) = (key(algorithm), theirs(algorithm));
        let packet = signed(&ours);
        let (request, time, _) = theirs.verify_message_byte(&packet, None, true).unwrap();
        assert_eq!((request.as_slice(), time), (record(&packet).mac, NOW));
        let mut reply = question(7);
        assert_eq!(reply.len() + ours.record_len(), {
            let mac = ours.sign_reply(&mut reply, &request, NOW);
            let (verified, ..) = theirs.verify_message_byte(&reply, Some(&request), true).unwrap();
            assert_eq!(verified, mac);
            let mut next = question(7);
            ours.sign_next(&mut next, &mac, NOW + 1);
            theirs.verify_message_byte(&next, Some(&mac), false).unwrap();
            theirs.verify_message_byte(&next, Some(&request), false).unwrap_err();
            reply.len()
        });
        let mut message = TheirMessage::from_vec(&question(9)).unwrap();
        let (tsig, _) = theirs.sign_message(&message, NOW).unwrap();
        message.set_signature(tsig);
        let packet = message.to_bytes().unwrap();
        assert_eq!(ours.check(&packet, &record(&packet), None, NOW + 300), Ok(()));
        assert_eq!(ours.check(&packet, &record(&packet), None, NOW + 301), Err(TsigFault::Time));
        assert_eq!(ours.check(&packet, &record(&packet), None, NOW - 301), Err(TsigFault::Time));
        assert_eq!(ours.check(&packet, &record(&packet), Some(&request), NOW), Err(TsigFault::Signature));
    }
}

#[test]
fn a_message_that_was_touched_is_no_signed_one() {
    let ours = key(TsigAlgorithm::Sha256);
    let good = signed(&ours);
    // all but the id, which a forwarder may have changed (RFC 8945 5.1), and what is no longer a message or this record
    for at in 2..good.len() {
        let mut packet = good.clone();
        packet[at] ^= 0x20;
        let Ok(message) = Message::parse(&packet) else { continue };
        let Ok(Some(tsig)) = TsigRecord::of(&message) else { continue };
        let checked = ours.check(&packet, &tsig, None, NOW);
        // the names of the key and of the algorithm are the same in whatever case
        let is_name = (30..43).contains(&at) || (53..66).contains(&at);
        let is_case = is_name && packet.eq_ignore_ascii_case(&good);
        assert_eq!(checked.is_ok(), is_case, "octet {at}");
    }
    let mut other_id = good.clone();
    other_id[0] ^= 1;
    assert_eq!(ours.check(&other_id, &record(&other_id), None, NOW), Ok(()));
}

#[test]
fn a_key_is_known_by_name_algorithm_and_secret() {
    let packet = signed(&key(TsigAlgorithm::Sha256));
    let check = |setting: &TransferKey| TsigKey::new(setting).unwrap().check(&packet, &record(&packet), None, NOW);
    assert_eq!(check(&setting("KEY.example", TsigAlgorithm::Sha256)), Ok(()));
    assert_eq!(check(&setting("other.example", TsigAlgorithm::Sha256)), Err(TsigFault::Key));
    assert_eq!(check(&setting("key.example", TsigAlgorithm::Sha512)), Err(TsigFault::Key));
    let other =
        TransferKey { secret: Secret::new(BASE64.encode(b"another")), ..setting("key.example", TsigAlgorithm::Sha256) };
    assert_eq!(check(&other), Err(TsigFault::Signature));
    assert!(!format!("{:?}", key(TsigAlgorithm::Sha256)).contains("secret"));
}

#[test]
fn the_record_stands_last_and_once() {
    let packet = signed(&key(TsigAlgorithm::Sha256));
    let start = record(&packet).start;
    let mut twice = packet.clone();
    twice.extend_from_slice(&packet[start..]);
    twice[11] += 1;
    let mut followed = packet.clone();
    followed.extend(b"\0\0\x29\x04\xd0\0\0\0\0\0\0");
    followed[11] += 1;
    let mut in_answer = packet.clone();
    (in_answer[7], in_answer[11]) = (1, 0);
    let trailing = [&packet[..], b"x"].concat();
    for (what, packet) in
        [("twice", twice), ("followed", followed), ("in the answer", in_answer), ("trailing", trailing)]
    {
        assert!(TsigRecord::of(&Message::parse(&packet).unwrap()).is_err(), "{what}");
    }
    for end in start..packet.len() {
        let mut cut = packet[..end].to_vec();
        let length = (end - start) as u16;
        // the length of the data says so, too
        if let Some(at) = end.checked_sub(start + 23) {
            cut[start + 21..start + 23].copy_from_slice(&(at as u16).to_be_bytes());
        }
        let read = Message::parse(&cut).map(|message| TsigRecord::of(&message).is_err());
        assert!(read.unwrap_or(true), "{length} octets");
    }
}

#[test]
fn macs_that_are_cut_short_are_told_apart() {
    let ours = key(TsigAlgorithm::Sha256);
    let packet = signed(&ours);
    let tsig = record(&packet);
    let cut = |len| TsigRecord { mac: &tsig.mac[..len], ..tsig.clone() };
    assert_eq!(ours.check(&packet, &cut(31), None, NOW), Err(TsigFault::Truncated));
    assert_eq!(ours.check(&packet, &cut(16), None, NOW), Err(TsigFault::Truncated));
    assert_eq!(ours.check(&packet, &cut(15), None, NOW), Err(TsigFault::Signature));
    assert_eq!(ours.check(&packet, &cut(0), None, NOW), Err(TsigFault::Signature));
}

#[test]
fn errors_say_their_number_and_bad_times_the_time() {
    let ours = key(TsigAlgorithm::Sha256);
    let packet = signed(&ours);
    let tsig = record(&packet);
    let mut reply = question(7);
    tsig.put_unsigned(&mut reply, TsigFault::Key);
    let said = record(&reply);
    assert_eq!((said.error, said.mac, said.time, said.original_id), (17, &b""[..], NOW, 7));
    let mut reply = question(7);
    ours.sign_bad_time(&mut reply, &tsig, NOW + 1000);
    let said = record(&reply);
    assert_eq!((said.error, said.time), (18, NOW));
    assert_eq!(said.other, &(NOW + 1000).to_be_bytes()[2..]);
    assert_eq!(ours.check(&reply, &said, Some(tsig.mac), NOW), Ok(()), "signed over the request");
}
