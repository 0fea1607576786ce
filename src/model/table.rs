//! Values that many endpoints share, each kept once: services and zone names.

use std::sync::Arc;

use super::Map;
use super::endpoint::{ServiceIndex, ZoneIndex};
use crate::dns::DnsName;
use crate::naming::{Service, ServiceName, ZoneName};

/// What tells services apart: the name, and the names that a source gave for one endpoint.
type ServiceKey = (ServiceName, Option<(DnsName, bool, Vec<DnsName>)>);

/// Services by number. Numbers are never given out twice, so an endpoint's number stays good.
#[derive(Clone, Default)]
pub(super) struct Services(Arc<ServiceTable>);

#[derive(Clone, Default)]
struct ServiceTable {
    by_number: Vec<(Arc<Service>, u32)>,
    by_key: Map<ServiceKey, ServiceIndex>,
}

impl Services {
    pub(super) fn by_index(&self, index: ServiceIndex) -> &Service {
        // an index is only made by `intern` of this table or of an ancestor, and tables only grow
        self.0
            .by_number
            .get(index.number())
            .map_or_else(|| unreachable!("a service index of another table"), |(s, _)| s)
    }

    /// The number of a service as its name alone says it, if an endpoint or a source has used it.
    pub(super) fn find(&self, name: &ServiceName) -> Option<ServiceIndex> {
        self.0.by_key.get(&(name.clone(), None)).copied()
    }

    /// The number of `service`; `given` says that its names came with an endpoint and not by its name.
    ///
    /// `None` if there are too many.
    pub(super) fn intern(&mut self, service: Service, given: bool) -> Option<ServiceIndex> {
        let names = given.then(|| (service.base.clone(), service.wildcard, service.private_names.clone()));
        let key = (service.service_name.clone(), names);
        if let Some(&index) = self.0.by_key.get(&key) {
            // the names are the same; where it is offered may not be
            if *self.by_index(index) != service {
                self.replace(index, service);
            }
            return Some(index);
        }
        let index = ServiceIndex::new(self.0.by_number.len())?;
        let table = Arc::make_mut(&mut self.0);
        table.by_number.push((Arc::new(service), 0));
        table.by_key.insert(key, index);
        Some(index)
    }

    /// Lets go of what a source said of a service: the number stays, but no name leads to it.
    pub(super) fn forget(&mut self, name: &ServiceName) {
        Arc::make_mut(&mut self.0).by_key.remove(&(name.clone(), None));
    }

    /// Gives a number other names.
    pub(super) fn replace(&mut self, index: ServiceIndex, service: Service) {
        if let Some(entry) = Arc::make_mut(&mut self.0).by_number.get_mut(index.number()) {
            entry.0 = Arc::new(service);
        }
    }

    /// Counts served endpoints up or down; returns true when a service came into use or went out of it.
    pub(super) fn count(&mut self, changes: impl Iterator<Item = (ServiceIndex, bool)>) -> bool {
        let mut changes = changes.peekable();
        if changes.peek().is_none() {
            return false;
        }
        let table = Arc::make_mut(&mut self.0);
        let before: Vec<bool> = table.by_number.iter().map(|(_, uses)| *uses > 0).collect();
        for (index, up) in changes {
            if let Some((_, uses)) = table.by_number.get_mut(index.number()) {
                *uses = if up { *uses + 1 } else { uses.saturating_sub(1) };
            }
        }
        table.by_number.iter().map(|(_, uses)| *uses > 0).ne(before)
    }

    /// Services that at least one served endpoint leads to.
    pub(super) fn in_use(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.0.by_number.iter().filter(|(_, uses)| *uses > 0).map(|(service, _)| service)
    }
}

/// Zone names by number.
#[derive(Clone, Default)]
pub(super) struct Zones(Arc<Vec<ZoneName>>);

impl Zones {
    pub(super) fn by_index(&self, index: ZoneIndex) -> &ZoneName {
        // as for services: indices come from this table, and it only grows
        self.0.get(usize::from(index.0)).unwrap_or_else(|| unreachable!("a zone index of another table"))
    }

    pub(super) fn intern(&mut self, zone: &ZoneName) -> Option<ZoneIndex> {
        let at = self.0.iter().position(|known| known == zone).unwrap_or_else(|| {
            Arc::make_mut(&mut self.0).push(zone.clone());
            self.0.len() - 1
        });
        u16::try_from(at).ok().map(ZoneIndex)
    }
}
