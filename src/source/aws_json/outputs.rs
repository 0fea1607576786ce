//! Which outputs a file holds, told by their top-level keys.

use std::path::Path;

use crate::model::ServiceInput;
use crate::problem::{Place, Problem};

use super::super::FileText;
use super::super::doc::{DocNode, Value, parse_json};
use super::super::lines::Lines;
use super::super::reader::{Fields, Keys, Reader};
use super::endpoint::{self, EndpointOutput};
use super::known::{self, ATTRIBUTES, LISTS};
use super::lattice::{self, AssociationOutput, NetworkEndpoint};
use super::network::{self, Attributes, Instance, InterfaceOutput, OutputId, SubnetOutput, VpcOutput};
use super::route53::{COMMANDS, Route53};

/// What files hold, by kind, before it is joined.
#[derive(Default)]
pub(super) struct Outputs {
    pub(super) vpcs: Vec<VpcOutput>,
    pub(super) attributes: Vec<Attributes>,
    pub(super) subnets: Vec<SubnetOutput>,
    pub(super) interfaces: Vec<InterfaceOutput>,
    pub(super) instances: Vec<Instance>,
    pub(super) endpoints: Vec<EndpointOutput>,
    pub(super) associations: Vec<AssociationOutput>,
    pub(super) networks: Vec<NetworkEndpoint>,
    /// Endpoints of types that are not served, by place and type.
    pub(super) unserved: Vec<(Place, String)>,
    pub(super) services: Vec<(Place, ServiceInput)>,
    pub(super) pages: Vec<Page>,
    pub(super) accounts: Vec<(Place, Box<str>)>,
    pub(super) route53: Route53,
    pub(super) broken: Vec<String>,
    pub(super) incomplete: bool,
    pub(super) problems: Vec<Problem>,
}

/// One output of a paginated command.
pub(super) struct Page {
    /// Its list: `Vpcs`.
    pub(super) key: &'static str,
    /// The directory of its file: pages of one command lie together.
    pub(super) directory: String,
    /// Where it says that there is another page behind it.
    pub(super) next: Option<Place>,
}

/// What one file holds; `number` tells it from others.
pub(super) fn read(file: &FileText, number: u32) -> Outputs {
    let lines = Lines::new(file.path.clone(), &file.text);
    let mut reader = Reader::new(&lines);
    let mut outputs = Outputs::default();
    let (roots, error) = parse_json(&file.text);
    if roots.is_empty() && error.is_none() {
        let hint = "the command that wrote it may have failed: run it again, or remove the file";
        reader.error_at(lines.whole(), "is empty", hint);
        outputs.incomplete = true;
    }
    let directory = Path::new(&*file.path).parent().map(|path| path.display().to_string()).unwrap_or_default();
    let documents = roots.iter().flat_map(|root| match &root.value {
        Value::Array(items) => &items[..],
        _ => std::slice::from_ref(root),
    });
    if let [DocNode { value: Value::Array(items), at }] = &roots[..]
        && items.is_empty()
    {
        reader.warning(*at, "holds an empty list: it is left out", known::known());
    }
    for (document, index) in documents.zip(0u32..) {
        let id = OutputId { file: number, index };
        if let Err(hint) = recognise(&mut reader, document, id, &directory, &mut outputs) {
            // what lies beside the outputs stops nothing: a live writer, or another tool, shares the directory
            reader.warning(document.at, "is not a known output of the AWS CLI: it is left out", hint);
            // an array of something else would say the same of each element
            break;
        }
    }
    if let Some(error) = error {
        reader.error(error.at, error.what, error.hint);
        outputs.incomplete = true;
    }
    outputs.problems = reader.into_problems();
    outputs
}

/// Takes in one output; fails with what would be read when it is none that is known.
fn recognise(
    reader: &mut Reader<'_>,
    document: &DocNode<'_>,
    id: OutputId,
    directory: &str,
    outputs: &mut Outputs,
) -> Result<(), String> {
    let Value::Table(_) = &document.value else { return Err(known::known()) };
    let Some(fields) = reader.table(document, "an output", Keys::Any) else { return Ok(()) };
    let mut known = fields.has("ServiceNames") | outputs.route53.take(reader, &fields);
    // pages of a zone's records are put together in `record_pages`
    let lists =
        COMMANDS.iter().filter(|(key, _)| key.ends_with('s') && *key != "ResourceRecordSets" && fields.has(key));
    let mut page = |key| Page { key, directory: directory.to_owned(), next: next_token(reader, &fields) };
    outputs.pages.extend(lists.map(|(key, _)| page(key)).collect::<Vec<_>>());
    for (key, single, _) in LISTS {
        if fields.has(key) {
            known = true;
            for item in fields.items(reader, key) {
                take(reader, key, item, id, outputs);
            }
            let next = next_token(reader, &fields);
            outputs.pages.push(Page { key, directory: directory.to_owned(), next });
        } else if let Some(item) = fields.node(reader, single) {
            known = true;
            take(reader, key, item, id, outputs);
        }
    }
    if fields.has("VpcId") && ATTRIBUTES.iter().any(|key| fields.has(key)) {
        known = true;
        outputs.attributes.extend(network::attributes(reader, &fields));
    }
    if known { Ok(()) } else { Err(known::hint(&fields)) }
}

/// Where an output says that there is another page behind it.
fn next_token(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<Place> {
    let token = fields.node(reader, "NextToken");
    let token = token.filter(|node| !matches!(&node.value, Value::String(text) if text.is_empty()));
    token.map(|node| reader.place(node.at))
}

/// Takes in one member of the list `key`.
fn take(reader: &mut Reader<'_>, key: &str, item: &DocNode<'_>, id: OutputId, outputs: &mut Outputs) {
    let broken = &mut outputs.broken;
    match key {
        "Vpcs" => object(reader, item, "a VPC", "VpcId", broken, |reader, fields| {
            outputs.vpcs.extend(network::vpc(reader, fields, id));
        }),
        "Subnets" => object(reader, item, "a subnet", "SubnetId", broken, |reader, fields| {
            outputs.subnets.extend(network::subnet(reader, fields));
        }),
        "NetworkInterfaces" => {
            object(reader, item, "a network interface", "NetworkInterfaceId", broken, |reader, fields| {
                outputs.interfaces.extend(network::interface(reader, fields));
            });
        }
        "Reservations" => {
            let Some(reservation) = reader.table(item, "a reservation", Keys::Any) else { return };
            note_account(reader, &reservation, &mut outputs.accounts);
            for item in reservation.items(reader, "Instances") {
                object(reader, item, "an instance", "InstanceId", broken, |reader, fields| {
                    outputs.instances.extend(network::instance(reader, fields));
                });
            }
        }
        "VpcEndpoints" => object(reader, item, "an endpoint", "VpcEndpointId", broken, |reader, fields| {
            let unserved = endpoint::unserved_type(fields).map(|kind| (reader.place(fields.at), kind.to_owned()));
            outputs.unserved.extend(unserved);
            note_account(reader, fields, &mut outputs.accounts);
            outputs.endpoints.extend(endpoint::endpoint(reader, fields));
            outputs.networks.extend(endpoint::network_endpoint(reader, fields));
        }),
        "VpcEndpointAssociations" => object(reader, item, "an association", "Id", broken, |reader, fields| {
            outputs.associations.extend(lattice::association(reader, fields));
        }),
        _ => object(reader, item, "a service", "ServiceName", broken, |reader, fields| {
            outputs.services.extend(endpoint::service(reader, fields));
        }),
    }
}

/// Notes whose output this is, by an object of a kind that only its owner sees; each file says it once.
fn note_account(reader: &Reader<'_>, fields: &Fields<'_, '_>, accounts: &mut Vec<(Place, Box<str>)>) {
    if let Some(owner) = fields.peek("OwnerId")
        && accounts.last().is_none_or(|(_, last)| **last != *owner)
    {
        accounts.push((reader.place(fields.at), owner.into()));
    }
}

/// Reads one object; when that adds errors, its id is told. Readers give nothing for an object with errors.
fn object(
    reader: &mut Reader<'_>,
    item: &DocNode<'_>,
    name: &'static str,
    id: &str,
    broken: &mut Vec<String>,
    read: impl FnOnce(&mut Reader<'_>, &Fields<'_, '_>),
) {
    let before = reader.errors();
    let Some(fields) = reader.table(item, name, Keys::Any) else { return };
    read(reader, &fields);
    if reader.errors() > before {
        broken.extend(fields.peek(id).map(str::to_owned));
    }
}

impl Outputs {
    /// Both, `other` behind `self`.
    pub(super) fn merge(mut self, other: Self) -> Self {
        self.vpcs.extend(other.vpcs);
        self.attributes.extend(other.attributes);
        self.subnets.extend(other.subnets);
        self.interfaces.extend(other.interfaces);
        self.instances.extend(other.instances);
        self.endpoints.extend(other.endpoints);
        self.associations.extend(other.associations);
        self.networks.extend(other.networks);
        self.unserved.extend(other.unserved);
        self.services.extend(other.services);
        self.pages.extend(other.pages);
        self.accounts.extend(other.accounts);
        self.route53.extend(other.route53);
        self.broken.extend(other.broken);
        self.incomplete |= other.incomplete;
        self.problems.extend(other.problems);
        self
    }
}
