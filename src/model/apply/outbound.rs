//! Outbound resolver endpoints that come and go.

use std::sync::Arc;

use super::super::Model;
use super::super::change::{Changes, Key};
use super::super::input::{Input, Object};
use super::super::outbound::OutboundEndpoint;

impl Model {
    /// To be called before the rules are replaced, which have the addresses of the endpoints that they name.
    pub(super) fn replace_outbound(&mut self, removed: &[Key], added: &[Input], changes: &mut Changes) {
        let is_gone = |endpoint: &OutboundEndpoint| removed.contains(&Key::Outbound(endpoint.clone()));
        let new =
            added.iter().filter_map(|input| if let Object::Outbound(it) = &*input.object { Some(it) } else { None });
        let new: Vec<_> = new.map(|input| OutboundEndpoint::new(&input.id, &input.addresses)).collect();
        if new.is_empty() && !self.outbound.iter().any(is_gone) {
            return;
        }
        let mut next: Vec<_> = self.outbound.iter().filter(|endpoint| !is_gone(endpoint)).cloned().collect();
        next.extend(new);
        next.sort();
        if next != *self.outbound {
            changes.others += next.len().abs_diff(self.outbound.len()).max(1);
            self.outbound = Arc::new(next);
        }
    }
}
