//! Whose certificates are believed: those of the system's authorities, and of a file that the operator names.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, Error, RootCertStore};

use crate::forward::failure::Failure;
use crate::model::Upstream;

/// See the module. The system's authorities are read when the first encrypted upstream is asked.
#[derive(Clone, Default)]
pub struct Trust(Arc<Inner>);

#[derive(Default)]
struct Inner {
    extra: Vec<CertificateDer<'static>>,
    config: OnceLock<Result<ClientConfig, Failure>>,
}

impl Trust {
    /// The system's authorities and those in a PEM file. The error says what is wrong with the file.
    pub fn with_file(path: &Path) -> Result<Self, String> {
        let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let extra: Vec<CertificateDer<'static>> = certificates.map_err(|error| format!("cannot be read: {error}"))?;
        if extra.is_empty() {
            return Err("holds no certificate".to_owned());
        }
        let mut roots = RootCertStore::empty();
        for certificate in &extra {
            roots.add(certificate.clone()).map_err(|error| format!("holds a certificate that is none: {error}"))?;
        }
        Ok(Self(Arc::new(Inner { extra, config: OnceLock::new() })))
    }

    /// The settings of a client that speaks the protocol `alpn` (RFC 7301).
    pub(super) fn client(&self, alpn: &[u8]) -> Result<ClientConfig, Failure> {
        let mut config = self.0.config.get_or_init(|| self.make()).clone()?;
        config.alpn_protocols = vec![alpn.to_vec()];
        Ok(config)
    }

    fn make(&self) -> Result<ClientConfig, Failure> {
        let mut roots = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        for error in &system.errors {
            tracing::warn!(%error, "the system's certificate authorities are not all there");
        }
        roots.add_parsable_certificates(system.certs);
        roots.add_parsable_certificates(self.0.extra.iter().cloned());
        let local = |error: Error| Failure::Local(error.to_string());
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(local)?;
        Ok(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trust(the system's authorities and {} more)", self.0.extra.len())
    }
}

/// Whom the certificate has to be for: the name of the upstream, or its address where it has none (RFC 8310 8.1).
pub(super) fn server_name(upstream: &Upstream) -> Result<ServerName<'static>, Failure> {
    match &upstream.name {
        Some(name) => {
            ServerName::try_from(name.to_string()).map_err(|error| Failure::Untrusted(format!("{name}: {error}")))
        }
        None => Ok(ServerName::from(upstream.address.ip())),
    }
}
