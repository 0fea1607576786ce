//! Which store, and how it is reached, as the settings say.

use crate::config::{Settings, StoreAddress};
use crate::etcd::{EtcdAccess, EtcdClient};
use crate::problem::{Place, Problem};

/// A store, and the way to it.
#[derive(Clone, Debug)]
pub struct StoreRoute {
    /// Its members, and what its keys begin with.
    pub address: StoreAddress,
    /// Certificates, user and password.
    pub access: EtcdAccess,
}

impl StoreRoute {
    /// `None`: no store is named. An error where settings contradict each other, or a file cannot be used.
    pub fn of(settings: &Settings) -> Result<Option<Self>, Problem> {
        let Some(address) = settings.store.clone() else { return Ok(None) };
        let wrong = |flag: &'static str, what: &str, hint: &str| Err(Problem::error(Place::whole(flag), what, hint));
        let certificate = match (&settings.store_cert, &settings.store_key) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            (Some(_), None) => return wrong("--store-cert", "requires its key", "give --store-key, too"),
            (None, Some(_)) => return wrong("--store-key", "requires its certificate", "give --store-cert, too"),
        };
        let user = match (&address.user, &settings.store_password) {
            (Some(user), Some(password)) => Some((user.clone(), password.clone())),
            (None, None) => None,
            (Some(_), None) => {
                return wrong("--store", "names a user without a password", "give --store-password FILE");
            }
            (None, Some(_)) => return wrong("--store-password", "is of no user", "name it: --store etcd://USER@HOST"),
        };
        if !address.is_encrypted && (certificate.is_some() || settings.store_ca.is_some()) {
            let hint = "an encrypted store is etcds://HOST";
            return wrong("--store", "has certificates, and is not encrypted", hint);
        }
        let access =
            EtcdAccess { is_encrypted: address.is_encrypted, ca: settings.store_ca.clone(), certificate, user };
        access.check()?;
        Ok(Some(Self { address, access }))
    }

    /// A client that asks the member with the number `first` first.
    pub fn client(&self, first: usize) -> EtcdClient {
        EtcdClient::new(self.address.members.clone(), self.access.clone(), first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_contradict_each_other_are_told() {
        let with = |store: &str, pairs: &[&str]| {
            let mut settings = Settings::default();
            for (key, value) in std::iter::once(("store", store)).chain(pairs.iter().map(|key| (*key, "/nowhere"))) {
                Settings::TABLE.iter().find(|one| one.key == key).unwrap().set(&mut settings, &[value]).unwrap();
            }
            StoreRoute::of(&settings).unwrap_err().to_string()
        };
        for (store, keys, said) in [
            ("etcds://a", &["store_cert"][..], "--store-cert: error: requires its key"),
            ("etcds://a", &["store_key"], "--store-key: error: requires its certificate"),
            ("etcd://u@a", &[], "--store: error: names a user without a password"),
            ("etcd://a", &["store_password"], "--store-password: error: is of no user"),
            ("etcd://a", &["store_ca"], "--store: error: has certificates, and is not encrypted"),
            ("etcds://a", &["store_ca"], "/nowhere: error: cannot be used"),
        ] {
            let found = with(store, keys);
            assert!(found.starts_with(said), "{found}");
        }
        assert!(StoreRoute::of(&Settings::default()).unwrap().is_none());
    }
}
