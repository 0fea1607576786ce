//! What is remembered of the objects of a source: which there are, and where each was written. The objects themselves
//! are in the model.

use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, HashMap};

use super::contract::PartId;
use crate::model::{Input, Key};
use crate::naming::EndpointId;
use crate::problem::{FileName, Place, Problem};

/// From so many look-ups on, an index of all endpoints is worth its making.
const FEW: u32 = 4;

/// What a source owns.
#[derive(Default)]
pub(super) struct Holdings {
    pub(super) parts: BTreeMap<PartId, Held>,
    /// Objects that came one by one.
    pub(super) single: HashMap<Key, Place>,
}

/// What is kept of a part.
pub(super) struct Held {
    /// Endpoints, of which there can be a million: 13 octets each, the last four of them the line.
    endpoints: Box<[(EndpointId, [u8; 4])]>,
    /// The file of `endpoints`; JSON files each have a list of their own.
    file: FileName,
    others: Box<[(Key, Place)]>,
    /// What was said of it when it was read: that holds for as long as it is not read again.
    pub(super) problems: Box<[Problem]>,
}

impl Held {
    pub(super) fn new(inputs: &[Input], problems: &[Problem]) -> Self {
        let file = inputs.first().map_or_else(|| FileName::from(""), |input| input.place.file.clone());
        let (mut endpoints, mut others) = (Vec::new(), Vec::new());
        for input in inputs {
            match input.key() {
                Key::Endpoint(id) if input.place.file == file => endpoints.push((id, input.place.line.to_be_bytes())),
                key => others.push((key, Place { column: 0, ..input.place.clone() })),
            }
        }
        Self { endpoints: endpoints.into(), file, others: others.into(), problems: problems.into() }
    }

    /// Every object of the part.
    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        let endpoints = self.endpoints.iter().map(|(id, _)| Key::Endpoint(*id));
        endpoints.chain(self.others.iter().map(|(key, _)| key.clone()))
    }

    fn place_of_endpoint(&self, id: EndpointId) -> Option<Place> {
        let (_, line) = self.endpoints.iter().find(|(known, _)| *known == id)?;
        Some(Place { file: self.file.clone(), line: u32::from_be_bytes(*line), column: 0 })
    }

    /// Where something is that is not in `endpoints`.
    fn place_of(&self, key: &Key) -> Option<Place> {
        self.others.iter().find(|(known, _)| known == key).map(|(_, place)| place.clone())
    }
}

/// Where objects were written, over several sources.
pub(super) struct Places<'h> {
    /// Of an object that is in several parts, the first counts.
    parts: Vec<&'h Held>,
    /// Objects that came one by one, without those that go.
    single: Vec<(&'h HashMap<Key, Place>, &'h [Key])>,
    /// Made when places of many endpoints are asked for: a VPC that changed asks for that of each of its endpoints.
    endpoints: OnceCell<HashMap<EndpointId, (&'h FileName, u32)>>,
    asked: Cell<u32>,
}

impl<'h> Places<'h> {
    pub(super) fn new(parts: Vec<&'h Held>, single: Vec<(&'h HashMap<Key, Place>, &'h [Key])>) -> Self {
        Self { parts, single, endpoints: OnceCell::new(), asked: Cell::new(0) }
    }

    /// Where an object was written; `None`: it is not there.
    pub(super) fn find(&self, key: &Key) -> Option<Place> {
        let mut single = self.single.iter().filter(|(_, gone)| !gone.contains(key)).filter_map(|(own, _)| own.get(key));
        single.next().cloned().or_else(|| self.find_in_parts(key))
    }

    fn find_in_parts(&self, key: &Key) -> Option<Place> {
        self.asked.set(self.asked.get().saturating_add(1));
        match key {
            Key::Endpoint(id) if self.asked.get() > FEW => {
                let endpoints = self.endpoints.get_or_init(|| endpoint_places(&self.parts));
                endpoints.get(id).map(|(file, line)| Place { file: (*file).clone(), line: *line, column: 0 })
            }
            Key::Endpoint(id) => {
                self.parts.iter().find_map(|held| held.place_of_endpoint(*id).or_else(|| held.place_of(key)))
            }
            other => self.parts.iter().find_map(|held| held.place_of(other)),
        }
    }
}

/// Where each endpoint was first written, in the order of the parts.
fn endpoint_places<'h>(parts: &[&'h Held]) -> HashMap<EndpointId, (&'h FileName, u32)> {
    let mut places = HashMap::new();
    for held in parts {
        let others = held.others.iter().filter_map(|(key, place)| match key {
            Key::Endpoint(id) => Some((*id, (&place.file, place.line))),
            _ => None,
        });
        let endpoints = held.endpoints.iter().map(|(id, line)| (*id, (&held.file, u32::from_be_bytes(*line))));
        for (id, place) in endpoints.chain(others) {
            places.entry(id).or_insert(place);
        }
    }
    places
}
