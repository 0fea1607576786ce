//! What there is: VPCs, subnets, endpoints with their interfaces, services, hosted zones and resolver rules.

mod input;
mod rdata;
mod state;

pub use input::*;
pub use rdata::{RdataError, parse_rdata, parse_rtype, rtype_name};
pub use state::{Mode, RecordIpType, State};
