//! Whose certificates are believed: those of the system's authorities, and of a file that the operator names.

use std::fmt;
use std::path::{Path, PathBuf};
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
    /// Where the authorities of the operator are from.
    file: Option<PathBuf>,
    extra: OnceLock<Vec<CertificateDer<'static>>>,
    config: OnceLock<ClientConfig>,
}

impl Trust {
    /// The system's authorities and those in a PEM file. The error says what is wrong with the file.
    pub fn with_file(path: &Path) -> Result<Self, String> {
        let trust = Self::where_used(path);
        trust.read()?;
        Ok(trust)
    }

    /// The same; the file is read when the first encrypted upstream is asked, or by [`Trust::read`]. As long as it cannot be
    /// used, no upstream is trusted.
    pub fn where_used(path: &Path) -> Self {
        Self(Arc::new(Inner { file: Some(path.to_owned()), ..Inner::default() }))
    }

    /// Reads the file, unless that is done. The error says what is wrong with it.
    pub fn read(&self) -> Result<(), String> {
        self.extra().map(drop)
    }

    fn extra(&self) -> Result<&[CertificateDer<'static>], String> {
        let Some(file) = &self.0.file else { return Ok(&[]) };
        if let Some(read) = self.0.extra.get() {
            return Ok(read);
        }
        let read = read(file)?;
        Ok(self.0.extra.get_or_init(|| read))
    }

    /// The settings of a client that speaks the protocol `alpn` (RFC 7301).
    pub(super) fn client(&self, alpn: &[u8]) -> Result<ClientConfig, Failure> {
        let mut config = if let Some(config) = self.0.config.get() {
            config.clone()
        } else {
            let made = self.make()?;
            self.0.config.get_or_init(|| made).clone()
        };
        config.alpn_protocols = vec![alpn.to_vec()];
        Ok(config)
    }

    fn make(&self) -> Result<ClientConfig, Failure> {
        let place = || self.0.file.as_deref().unwrap_or(Path::new("")).display();
        let extra = self.extra().map_err(|why| Failure::Local(format!("{} {why}", place())))?;
        let mut roots = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        for error in &system.errors {
            tracing::warn!(%error, "the system's certificate authorities are not all there");
        }
        roots.add_parsable_certificates(system.certs);
        roots.add_parsable_certificates(extra.iter().cloned());
        let local = |error: Error| Failure::Local(error.to_string());
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(local)?;
        Ok(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

/// The certificates in a PEM file, of which there is one at least.
fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let extra: Vec<CertificateDer<'static>> = certificates.map_err(|error| format!("cannot be read: {error}"))?;
    if extra.is_empty() {
        return Err("holds no certificate".to_owned());
    }
    let mut roots = RootCertStore::empty();
    for certificate in &extra {
        roots.add(certificate.clone()).map_err(|error| format!("holds a certificate that is none: {error}"))?;
    }
    Ok(extra)
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = self.0.extra.get().map_or(0, Vec::len);
        write!(f, "Trust(the system's authorities and {more} more)")
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
