//! Inbound resolver endpoints that come and go.

use std::sync::Arc;

use super::super::Model;
use super::super::change::{Changes, Key};
use super::super::check::Check;
use super::super::inbound::InboundEndpoint;
use super::super::input::{Input, Object};

impl Model {
    pub(super) fn replace_inbound(
        &mut self,
        removed: &[Key],
        added: &[Input],
        changes: &mut Changes,
        check: &mut Check<'_>,
    ) {
        let is_gone = |endpoint: &Arc<InboundEndpoint>| removed.contains(&Key::Inbound((**endpoint).clone()));
        let new =
            added.iter().filter_map(|input| if let Object::Inbound(it) = &*input.object { Some(it) } else { None });
        let new: Vec<Arc<InboundEndpoint>> = new.map(|input| Arc::new(input.endpoint())).collect();
        if !new.is_empty() || self.inbound.iter().any(is_gone) {
            let mut next: Vec<_> = self.inbound.iter().filter(|endpoint| !is_gone(endpoint)).cloned().collect();
            next.extend(new);
            next.sort();
            if next != *self.inbound {
                changes.others += next.len().abs_diff(self.inbound.len()).max(1);
                // who is whose client
                changes.vpcs = true;
                self.inbound = Arc::new(next);
            }
        }
        if changes.vpcs {
            check.inbound_endpoints(self, added);
        }
    }
}
