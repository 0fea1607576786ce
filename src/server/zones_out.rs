//! Zones for other DNS servers, as the settings have them.

use std::net::SocketAddr;
use std::sync::Arc;

use tracing::warn;

use crate::config::Settings;
use crate::descriptors::Descriptors;
use crate::observe::Counters;
use crate::problem::{FileName, Place, Problem};
use crate::secret_file;
use crate::served::ServedSnapshot;
use crate::transfer::{ZonesOut, ZonesOutSettings};

/// What the settings say; `None`: no zones are given out.
pub(super) fn read(settings: &Settings) -> Result<Option<ZonesOutSettings>, Vec<Problem>> {
    let wrong = |what: String, hint: &str| Err(vec![Problem::error(Place::whole("--transfer"), what, hint)]);
    let addresses = settings.transfer.clone();
    if addresses.is_empty() {
        return Ok(None);
    }
    let Some(path) = settings.transfer_keys.as_deref() else {
        return wrong(
            "requires keys of the servers that take zones over".to_owned(),
            "name their file with --transfer-keys",
        );
    };
    for address in &addresses {
        // replies have to come from the address that was asked, and secondaries know their primary by it
        if address.ip().is_unspecified() {
            return wrong(format!("{address} is no address of one interface"), "name each address of this machine");
        }
        if address.port() != 0 && settings.listen.contains(address) {
            return wrong(format!("{address} is one of --listen"), "name another port, and give it to the secondaries");
        }
    }
    let label = FileName::from(path.display().to_string());
    let text = secret_file::read_owners_only(path, "--transfer-keys", "the keys")?;
    let (keys, problems) = crate::source::read_transfer_keys(&label, &text);
    if problems.iter().any(Problem::is_error) {
        return Err(problems);
    }
    for problem in &problems {
        warn!("{problem}");
    }
    let (serials, limits) = (settings.transfer_serials.clone(), settings.limits.clone());
    Ok(Some(ZonesOutSettings { addresses, keys, serials, limits }))
}

/// Gives zones out at the addresses of the settings, where there are any.
pub(super) fn start(
    settings: Option<ZonesOutSettings>,
    snapshots: &ServedSnapshot,
    counters: &Arc<Counters>,
    descriptors: &Descriptors,
) -> Result<Option<ZonesOut>, Vec<Problem>> {
    let start = |settings| ZonesOut::start(settings, snapshots.clone(), counters, descriptors);
    settings.map(start).transpose()
}

/// Where zones are given out.
pub(super) fn addresses(zones: Option<&ZonesOut>) -> Vec<SocketAddr> {
    zones.map(|zones| zones.addresses().to_vec()).unwrap_or_default()
}
