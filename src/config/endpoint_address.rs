//! An address for endpoints whose source has none, in words.

use std::net::Ipv4Addr;
use std::str::FromStr;

use crate::naming::SubnetId;
use crate::problem::Fault;

/// An address that stands for those of endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointAddress {
    /// Where it does.
    pub scope: AddressScope,
    /// The emulator's own, mostly.
    pub address: Ipv4Addr,
}

/// Which endpoints an address stands in for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressScope {
    /// Those without interfaces.
    Lacking,
    /// The same, in one subnet.
    Subnet(SubnetId),
    /// All, whatever interfaces they have.
    All,
}

const HINT: &str = "such as 172.17.0.2, subnet-0a1b2c3d=172.17.0.2, or all=172.17.0.2";
/// How [`AddressScope::All`] is written.
const ALL: &str = "all";

impl FromStr for EndpointAddress {
    type Err = Fault;

    /// `ADDR`, `SUBNET=ADDR` or `all=ADDR`.
    fn from_str(text: &str) -> Result<Self, Fault> {
        let fault = |what: &str| Fault::new(format!("'{text}' {what}"), HINT);
        let (scope, address) = match text.split_once('=') {
            Some((ALL, address)) => (AddressScope::All, address),
            Some((subnet, address)) => {
                (AddressScope::Subnet(subnet.parse().map_err(|_| fault("names no subnet"))?), address)
            }
            None => (AddressScope::Lacking, text),
        };
        let address = address.parse().map_err(|_| fault("is no IPv4 address"))?;
        Ok(Self { scope, address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_said_in_words() {
        let address = "127.0.0.1".parse().unwrap();
        let subnet = AddressScope::Subnet("subnet-00000001".parse().unwrap());
        for (text, scope) in [
            ("127.0.0.1", AddressScope::Lacking),
            ("subnet-00000001=127.0.0.1", subnet),
            ("all=127.0.0.1", AddressScope::All),
        ] {
            assert_eq!(text.parse(), Ok(EndpointAddress { scope, address }));
        }
    }

    #[test]
    fn what_is_no_address_is_named() {
        for (text, what) in [
            ("x", "'x' is no IPv4 address"),
            ("vpc-00000001=127.0.0.1", "'vpc-00000001=127.0.0.1' names no subnet"),
            ("subnet-00000001=::1", "'subnet-00000001=::1' is no IPv4 address"),
        ] {
            assert_eq!(text.parse::<EndpointAddress>().unwrap_err().what, what);
        }
    }
}
