//! A `ZoneHandler` for a chain of a hickory `Catalog`: private names are answered, all others left to the next of the chain.

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{LowerName, Name, Record, RecordRef, RecordType, TSigResponseContext};
use hickory_server::dnssec::NxProofKind;
use hickory_server::net::{DnsError, NetError, NoRecords};
use hickory_server::server::{Request, RequestInfo};
use hickory_server::zone_handler::{
    AuthLookup, AxfrPolicy, LookupControlFlow, LookupError, LookupOptions, LookupRecords, Nsec3QueryInfo, ZoneHandler,
    ZoneTransfer, ZoneType,
};

use super::zones::{Handled, PrivateZones};
use crate::wire::Transport;

/// Answers what is private for the client, and skips everything else.
///
/// Mount it at `.` in front of a forwarder or recursor, or at a domain in front of the zone that everybody else sees.
///
/// A `Catalog` makes replies of its own out of it, and hickory has no room for some of what [`PrivateDns`] says:
///
/// - OPT is hickory's: no extended error, no cookie; a reply too long for a datagram loses it.
/// - A question without RD is REFUSED, and what is refused or fails here is SERVFAIL.
/// - An alias to a name that does not exist is NOERROR, one that leads out of private zones comes without its target's records,
///   and the authority section of a positive answer is left out.
/// - A zone of the `Catalog` with a longer name is asked instead.
///
/// [`PrivateDns`]: super::PrivateDns
pub struct PrivateZoneHandler {
    zones: PrivateZones,
    origin: LowerName,
}

impl PrivateZones {
    /// A handler to mount in a hickory `Catalog`, in front of those that answer what is not private.
    pub fn zone_handler(&self) -> PrivateZoneHandler {
        PrivateZoneHandler { zones: self.clone(), origin: Name::root().into() }
    }
}

#[async_trait::async_trait]
impl ZoneHandler for PrivateZoneHandler {
    /// With others hickory sets AA, and asks for the SOA of `.` without a client.
    fn zone_type(&self) -> ZoneType {
        ZoneType::External
    }

    fn axfr_policy(&self) -> AxfrPolicy {
        AxfrPolicy::Deny
    }

    fn origin(&self) -> &LowerName {
        &self.origin
    }

    async fn lookup(
        &self,
        name: &LowerName,
        rtype: RecordType,
        request_info: Option<&RequestInfo<'_>>,
        options: LookupOptions,
    ) -> LookupControlFlow<AuthLookup> {
        // nothing is private without a client
        let Some(info) = request_info else { return LookupControlFlow::Skip };
        let mut question = Message::query();
        question.metadata.recursion_desired = true;
        question.add_query(Query::query(name.into(), rtype));
        let request = question.to_vec().and_then(|packet| Request::from_bytes(packet, info.src, info.protocol));
        match request {
            Ok(request) => self.search(&request, options).await.0,
            Err(error) => LookupControlFlow::Break(Err(error.into())),
        }
    }

    async fn search(
        &self,
        request: &Request,
        _: LookupOptions,
    ) -> (LookupControlFlow<AuthLookup>, Option<TSigResponseContext>) {
        // as over a stream: the `Catalog` truncates
        let found = match self.zones.handle(request, Transport::Tcp).await {
            // what an alias leads to is the client's to ask: the chain has no way to put both together
            Handled::Reply(message) | Handled::LeadsOut(message) => LookupControlFlow::Break(lookup(*message)),
            Handled::Silent => LookupControlFlow::Break(Err(ResponseCode::Refused.into())),
            Handled::NotPrivate => LookupControlFlow::Skip,
        };
        (found, None)
    }

    async fn nsec_records(&self, _: &LowerName, _: LookupOptions) -> LookupControlFlow<AuthLookup> {
        LookupControlFlow::Skip
    }

    async fn nsec3_records(&self, _: Nsec3QueryInfo<'_>, _: LookupOptions) -> LookupControlFlow<AuthLookup> {
        LookupControlFlow::Skip
    }

    /// The next of the chain may have a zone to give.
    async fn zone_transfer(
        &self,
        _: &Request,
        _: LookupOptions,
        _: u64,
    ) -> Option<(Result<ZoneTransfer, LookupError>, Option<TSigResponseContext>)> {
        None
    }

    fn nx_proof_kind(&self) -> Option<&NxProofKind> {
        None
    }
}

/// A reply in hickory's terms.
fn lookup(message: Message) -> Result<AuthLookup, LookupError> {
    let code = message.metadata.response_code;
    let is_negative = matches!(code, ResponseCode::NoError | ResponseCode::NXDomain);
    if is_negative && !message.answers.is_empty() {
        let section = LookupRecords::Section;
        return Ok(AuthLookup::answers(section(message.answers), Some(section(message.additionals))));
    }
    if !is_negative {
        return Err(code.into());
    }
    let query = message.queries.into_iter().next().unwrap_or_default();
    let mut none = NoRecords::new(query, code);
    none.soa = message.authorities.iter().find_map(soa);
    none.authorities = Some(message.authorities.into());
    Err(NetError::Dns(DnsError::NoRecordsFound(none)).into())
}

fn soa(record: &Record) -> Option<Box<Record<SOA>>> {
    RecordRef::try_from(record).ok().map(|soa| Box::new(soa.to_owned()))
}
