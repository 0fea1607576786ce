//! The sources of a server: one line each.

use super::accounts::kept;
use crate::config::Settings;
use crate::ec2::StateSource;
use crate::fleet::SetSource;
use crate::source::{Files, Source};
use crate::sync::RoundsSource;

/// The sources that the settings ask for.
pub(crate) fn sources(
    settings: &Settings,
    ec2: Option<StateSource>,
    shared: Vec<SetSource>,
    accounts: Vec<RoundsSource>,
) -> Vec<Box<dyn Source>> {
    let mut listed: Vec<Box<dyn Source>> = Vec::new();
    listed.extend(ec2.map(boxed));
    listed.extend(shared.into_iter().map(boxed));
    if !accounts.is_empty() {
        let kept = kept(&accounts);
        listed.extend(accounts.into_iter().map(boxed));
        // behind them: it is looked at when their first rounds have been written
        listed.push(Box::new(kept));
    }
    listed.push(files(settings, listed.is_empty()));
    listed
}

fn boxed(source: impl Source + 'static) -> Box<dyn Source> {
    Box::new(source)
}

/// The directories have to be there, except the usual one where there is another source.
fn files(settings: &Settings, only: bool) -> Box<dyn Source> {
    let usual = settings.zones == Settings::default().zones;
    let dirs = settings.zones.clone();
    Box::new(if usual && !only { Files::where_present(dirs) } else { Files::new(dirs) })
}
