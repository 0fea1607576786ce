//! The actions, by name. One file for each kind of object.

mod tags;
mod vpc;

use super::call::Action;

/// Every action there is.
static ACTIONS: &[&[Action]] = &[vpc::ACTIONS];

/// The action with this name.
pub(super) fn find(name: &str) -> Option<&'static Action> {
    ACTIONS.iter().copied().flatten().find(|action| action.name == name)
}
