//! Instances, as far as the outputs of files tell of them: their interfaces and names. Nobody makes them here.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::ec2::call::{Action, Call, Done};
use crate::ec2::error::ApiError;
use crate::ec2::fields::{Listing, Values, fields};
use crate::ec2::params::Params;
use crate::ec2::record::Tags;
use crate::ec2::xml::Xml;
use crate::model::Host;
use crate::naming::instance_zone;

pub(super) const ACTIONS: &[Action] =
    &[Action { name: "DescribeInstances", writes: false, idempotent: false, run: describe }];

const LISTING: Listing = Listing { set: "reservationSet", bad_filter: "InvalidParameterValue", least: 5 };

/// An instance as it is listed, in a reservation of its own.
struct ListedInstance<'c> {
    id: &'c str,
    hosts: Vec<&'c Host>,
    owner: &'c str,
    /// `ec2.internal`
    zone: String,
}

fn describe(call: &Call<'_>, params: &mut Params) -> Result<Done, ApiError> {
    let ids = params.list("InstanceId");
    params.flag("IncludeManagedResources")?;
    let chosen = LISTING.take::<ListedInstance<'_>>(params)?;
    let zone = instance_zone(&call.caller.region).to_string();
    let mut all: BTreeMap<&str, ListedInstance<'_>> = BTreeMap::new();
    for host in call.model.hosts().filter(|host| call.is_here(host.vpc)) {
        let Some(id) = host.instance.as_deref() else { continue };
        let new = || ListedInstance { id, hosts: Vec::new(), owner: &call.caller.account, zone: zone.clone() };
        all.entry(id).or_insert_with(new).hosts.push(host);
    }
    for instance in all.values_mut() {
        instance.hosts.sort_by_key(|host| host.id);
    }
    if let Some(id) = ids.iter().find(|id| !all.contains_key(id.as_str())) {
        return Err(ApiError::new("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist")));
    }
    all.retain(|id, _| ids.is_empty() || ids.iter().any(|wanted| wanted == id));
    Ok(LISTING.page(&chosen, all.into_values(), ListedInstance::reservation))
}

impl ListedInstance<'_> {
    fn reservation(&self) -> String {
        self.id.replacen("i-", "r-", 1)
    }

    fn address(&self) -> Option<Ipv4Addr> {
        self.hosts.iter().find_map(|host| host.ipv4.first().copied())
    }

    fn vpc(&self) -> Option<String> {
        self.hosts.first().map(|host| host.vpc.to_string())
    }

    /// The private name of an interface: its own, else the one that is made of its address.
    fn private_name(&self, host: &Host) -> Option<String> {
        let given = host.names().find(|(_, records)| !records.is_public).map(|(name, _)| name.to_string());
        let made = |ip: &Ipv4Addr| format!("ip-{}.{}", ip.to_string().replace('.', "-"), self.zone);
        given.or_else(|| host.ipv4.first().map(made))
    }

    fn public_name(&self) -> Option<String> {
        let mut names = self.hosts.iter().flat_map(|host| host.names());
        names.find(|(_, records)| records.is_public).map(|(name, _)| name.to_string())
    }

    /// `<item>` of `instancesSet`.
    fn item(&self) -> String {
        let mut xml = Xml::new();
        xml.element("item", |xml| {
            xml.text("instanceId", self.id);
            // an interface that is there belongs to one that runs, or may run
            xml.element("instanceState", |xml| {
                xml.text("code", "16");
                xml.text("name", "running");
            });
            xml.optional("privateDnsName", self.hosts.first().and_then(|host| self.private_name(host)));
            xml.optional("dnsName", self.public_name());
            xml.optional("vpcId", self.vpc());
            xml.optional("privateIpAddress", self.address());
            xml.list("networkInterfaceSet", &self.hosts, |xml, host| {
                xml.text("networkInterfaceId", host.id);
                xml.text("vpcId", host.vpc);
                xml.text("ownerId", self.owner);
                xml.optional("privateIpAddress", host.ipv4.first());
                xml.optional("privateDnsName", self.private_name(host));
                xml.list("privateIpAddressesSet", host.ipv4.iter().enumerate(), |xml, (at, address)| {
                    xml.text("privateIpAddress", address);
                    xml.text("primary", at == 0);
                });
                xml.list("ipv6AddressesSet", &host.ipv6, |xml, address| xml.text("ipv6Address", address));
            });
        });
        xml.into_text()
    }
}

/// No tags: no object of the model has any.
static UNTAGGED: Tags = Tags::new();

fields! {
    impl ListedInstance<'_> as it {
        "reservationId" ["reservation-id"] = it.reservation();
        "ownerId" ["owner-id", "network-interface.owner-id"] = it.owner;
        "groupSet" = Values::Written(String::new());
        "instancesSet" = Values::Written(it.item());
        "" ["instance-id", "network-interface.attachment.instance-id"] = it.id;
        "" ["instance-state-code"] = "16";
        "" ["instance-state-name"] = "running";
        "" ["vpc-id", "network-interface.vpc-id"] = Values::of_option(it.vpc());
        "" ["private-ip-address"] = Values::of_option(it.address());
        "" ["network-interface.addresses.private-ip-address"] = Values::of_each(it.hosts.iter().flat_map(|host| &host.ipv4));
        "" ["ipv6-address"] = Values::of_each(it.hosts.iter().flat_map(|host| &host.ipv6));
        "" ["private-dns-name", "network-interface.private-dns-name"] = Values::of_each(it.hosts.iter().filter_map(|host| it.private_name(host)));
        "" ["dns-name"] = Values::of_option(it.public_name());
        "" ["ip-address"] = Values::Absent;
        "" ["network-interface.network-interface-id"] = Values::of_each(it.hosts.iter().map(|host| host.id));
        "" ["tag", "tag-key"] = &UNTAGGED;
        // what no output of a file is read for
        "" [
            "affinity", "architecture", "availability-zone", "availability-zone-id",
            "block-device-mapping.attach-time", "block-device-mapping.delete-on-termination",
            "block-device-mapping.device-name", "block-device-mapping.status", "block-device-mapping.volume-id",
            "boot-mode", "capacity-reservation-id",
            "capacity-reservation-specification.capacity-reservation-preference",
            "capacity-reservation-specification.capacity-reservation-target.capacity-reservation-id",
            "capacity-reservation-specification.capacity-reservation-target.capacity-reservation-resource-group-arn",
            "client-token", "current-instance-boot-mode", "ebs-optimized", "ena-support", "enclave-options.enabled",
            "hibernation-options.configured", "host-id", "hypervisor", "iam-instance-profile.arn",
            "iam-instance-profile.id", "image-id", "instance-lifecycle", "instance-type", "instance.group-id",
            "instance.group-name", "kernel-id", "key-name", "launch-index", "launch-time",
            "maintenance-options.auto-recovery", "metadata-options.http-endpoint",
            "metadata-options.http-protocol-ipv4", "metadata-options.http-protocol-ipv6",
            "metadata-options.http-put-response-hop-limit", "metadata-options.http-tokens",
            "metadata-options.instance-metadata-tags", "metadata-options.state", "monitoring-state",
            "network-interface.addresses.association.allocation-id",
            "network-interface.addresses.association.association-id",
            "network-interface.addresses.association.carrier-ip",
            "network-interface.addresses.association.customer-owned-ip",
            "network-interface.addresses.association.ip-owner-id",
            "network-interface.addresses.association.public-dns-name",
            "network-interface.addresses.association.public-ip", "network-interface.addresses.primary",
            "network-interface.addresses.private-dns-name", "network-interface.association.allocation-id",
            "network-interface.association.association-id", "network-interface.association.carrier-ip",
            "network-interface.association.customer-owned-ip", "network-interface.association.ip-owner-id",
            "network-interface.association.public-dns-name", "network-interface.association.public-ip",
            "network-interface.attachment.attach-time", "network-interface.attachment.attachment-id",
            "network-interface.attachment.delete-on-termination", "network-interface.attachment.device-index",
            "network-interface.attachment.instance-owner-id", "network-interface.attachment.network-card-index",
            "network-interface.attachment.status", "network-interface.availability-zone",
            "network-interface.deny-all-igw-traffic", "network-interface.description", "network-interface.group-id",
            "network-interface.group-name", "network-interface.ipv4-prefixes.ipv4-prefix",
            "network-interface.ipv6-address", "network-interface.ipv6-addresses.ipv6-address",
            "network-interface.ipv6-addresses.is-primary-ipv6", "network-interface.ipv6-native",
            "network-interface.ipv6-prefixes.ipv6-prefix", "network-interface.mac-address",
            "network-interface.operator.managed", "network-interface.operator.principal",
            "network-interface.outpost-arn", "network-interface.private-ip-address",
            "network-interface.public-dns-name", "network-interface.requester-id",
            "network-interface.requester-managed", "network-interface.status",
            "network-interface.source-dest-check", "network-interface.subnet-id", "network-interface.tag-key",
            "network-interface.tag-value", "network-performance-options.bandwidth-weighting", "operator.managed",
            "operator.principal", "outpost-arn", "placement-group-name", "placement-partition-number", "platform",
            "platform-details", "private-dns-name-options.enable-resource-name-dns-a-record",
            "private-dns-name-options.enable-resource-name-dns-aaaa-record",
            "private-dns-name-options.hostname-type", "product-code", "product-code.type", "ramdisk-id", "reason",
            "requester-id", "root-device-name", "root-device-type", "source-dest-check", "spot-instance-request-id",
            "state-reason-code", "state-reason-message", "subnet-id", "tenancy", "tpm-support", "usage-operation",
            "usage-operation-update-time", "virtualization-type",
        ] = Values::Absent;
    }
}
