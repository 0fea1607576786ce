//! What the servers of a store share besides the API's state: the files that somebody pushed.

use tokio::runtime::Handle as RuntimeHandle;

use crate::config::Settings;
use crate::ec2::StoreRoute;
use crate::fleet::{FollowedSet, PUSHED, SetSource};
use crate::problem::Problem;
use crate::source::SourceId;

/// The sources of a fleet; none without a store. To be called where a thread may wait.
pub(super) fn sources(settings: &Settings, runtime: &RuntimeHandle) -> Result<Vec<SetSource>, Vec<Problem>> {
    let Some(route) = StoreRoute::of(settings).map_err(|problem| vec![problem])? else { return Ok(Vec::new()) };
    let set =
        FollowedSet::open(&route, PUSHED, &settings.ec2_state, runtime.clone()).map_err(|problem| vec![problem])?;
    Ok(vec![SetSource::new(SourceId::new("pushed"), set)])
}
