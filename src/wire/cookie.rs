//! Server cookies in the interoperable form of RFC 9018.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

/// The secret that makes server cookies. Servers that share an address share it (RFC 9018 5).
#[derive(Clone, Copy)]
pub struct CookieSecret([u8; 16]);

/// Seconds for which a server cookie is good (RFC 9018 4.3).
const OLDEST: i32 = 3600;
/// Seconds that one may be ahead, of a server whose clock is (RFC 9018 4.3).
const FUTURE: i32 = 300;

/// The eight octets that a client chose (RFC 7873 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientCookie(pub [u8; 8]);

impl CookieSecret {
    /// A secret of 128 bits.
    pub fn new(secret: [u8; 16]) -> Self {
        Self(secret)
    }

    /// The server cookie for a client: version 1, reserved, `now` in seconds, SipHash-2-4 (RFC 9018 4).
    pub fn server_cookie(&self, client: ClientCookie, address: IpAddr, now: u32) -> [u8; 16] {
        let [t0, t1, t2, t3] = now.to_be_bytes();
        self.with_head(client, address, [1, 0, 0, 0, t0, t1, t2, t3])
    }

    /// Whether `server` is a cookie that a server with this secret made for this client, and neither older than an hour
    /// nor more than five minutes ahead of `now` (RFC 9018 4.3).
    pub fn is_valid(&self, client: ClientCookie, server: &[u8], address: IpAddr, now: u32) -> bool {
        let Some((&head @ [1, _, _, _, t0, t1, t2, t3], hash)) = server.split_first_chunk::<8>() else { return false };
        // RFC 1982: the difference is right beyond 2106, too
        let age = now.wrapping_sub(u32::from_be_bytes([t0, t1, t2, t3])).cast_signed();
        let right = self.with_head(client, address, head);
        (-FUTURE..=OLDEST).contains(&age) && hash.len() == 8 && right.ends_with(hash)
    }

    fn with_head(&self, client: ClientCookie, address: IpAddr, head: [u8; 8]) -> [u8; 16] {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(&client.0);
        hasher.write(&head);
        match address.to_canonical() {
            IpAddr::V4(address) => hasher.write(&address.octets()),
            IpAddr::V6(address) => hasher.write(&address.octets()),
        }
        let mut cookie = [0u8; 16];
        let (front, back) = cookie.split_at_mut(8);
        front.copy_from_slice(&head);
        // RFC 9018 4.4 has the hash in the octet order of the SipHash reference: little-endian
        back.copy_from_slice(&hasher.finish().to_le_bytes());
        cookie
    }
}

/// Secrets are not for logs.
impl std::fmt::Debug for CookieSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CookieSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_good_for_its_client_and_an_hour() {
        let (secret, client) = (CookieSecret::new([7; 16]), ClientCookie(*b"12345678"));
        let (address, made) = (IpAddr::from([192, 0, 2, 1]), 1_700_000_000);
        let cookie = secret.server_cookie(client, address, made);
        for (now, good) in
            [(made, true), (made + 3600, true), (made + 3601, false), (made - 300, true), (made - 301, false)]
        {
            assert_eq!(secret.is_valid(client, &cookie, address, now), good, "{now}");
        }
        assert!(!secret.is_valid(client, &cookie, IpAddr::from([192, 0, 2, 2]), made), "another address");
        assert!(!secret.is_valid(ClientCookie([0; 8]), &cookie, address, made), "another client");
        assert!(!CookieSecret::new([8; 16]).is_valid(client, &cookie, address, made), "another server's");
        for at in 0..16 {
            let mut forged = cookie;
            forged[at] ^= 1;
            assert!(!secret.is_valid(client, &forged, address, made), "octet {at}");
        }
    }
}
