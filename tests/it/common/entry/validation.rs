//! What DNSSEC validation does with an upstream's reply, besides checking signatures.

use vpcedns::dns::Rtype;
use vpcedns::forward::validate::without_crypto;

/// Any octets in the place of a validated reply are handed on as a message, or are an error.
pub fn validation(data: &[u8]) {
    let question = b"\x01a\x07example\0";
    // half of the inputs are whole messages already; the other half get a header and a question in front
    let framed =
        [b"\x12\x34\x81\x80\x00\x01\x00\x03\x00\x02\x00\x00\x01a\x07example\x00\x00\x01\x00\x01", data].concat();
    for reply in [data, &framed] {
        for rtype in [1, 5, 48] {
            if let Ok(handed_on) = without_crypto(question, Rtype::new(rtype), reply) {
                vpcedns::dns::Message::parse(&handed_on).expect("what is handed on is a message");
            }
        }
    }
}
