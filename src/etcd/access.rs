//! How members are reached: encrypted or not, whose certificates are believed, and who asks. Files are read for each
//! connection, so that a certificate or a password that is replaced is used from the next one on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::error::EtcdError;
use super::messages::AuthenticateRequest;
use crate::http_client::{bundle, system_roots};
use crate::problem::{Place, Problem};
use crate::{regular, secret_file};

/// The way to a cluster.
#[derive(Clone, Debug, Default)]
pub struct EtcdAccess {
    /// Whether connections are encrypted.
    pub is_encrypted: bool,
    /// Certificate authorities, in place of the system's.
    pub ca: Option<PathBuf>,
    /// The certificate that is shown, with its chain, and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// The user, and the file of its password. Without one, etcd takes the name in the certificate for it.
    pub user: Option<(String, PathBuf)>,
}

impl EtcdAccess {
    /// What is wrong with the files, if anything is.
    pub fn check(&self) -> Result<(), Problem> {
        self.tls()?;
        self.password().map(|_| ())
    }

    /// What encrypts a connection, where that is wanted.
    pub(super) fn connector(&self) -> Result<Option<TlsConnector>, EtcdError> {
        let tls = self.tls().map_err(|problem| unusable(&problem))?;
        Ok(tls.map(|config| TlsConnector::from(Arc::new(config))))
    }

    /// What says who asks, where that is wanted.
    pub(super) fn user(&self) -> Result<Option<AuthenticateRequest>, EtcdError> {
        self.password().map_err(|problem| unusable(&problem))
    }

    fn tls(&self) -> Result<Option<ClientConfig>, Problem> {
        if !self.is_encrypted {
            return Ok(None);
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions();
        let builder =
            builder.map_err(|error| fault(Path::new("TLS"), &error, ""))?.with_root_certificates(self.roots()?);
        let mut config = match &self.certificate {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let hint = "--store-cert and --store-key name PEM files, the key not encrypted";
                let chain = CertificateDer::pem_slice_iter(&read(certificate)?).collect::<Result<Vec<_>, _>>();
                let chain = chain.map_err(|error| fault(certificate, &error, hint))?;
                let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| fault(key, &error, hint))?;
                let made = builder.with_client_auth_cert(chain, private);
                made.map_err(|error| fault(certificate, &error, hint))?
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Some(config))
    }

    fn roots(&self) -> Result<RootCertStore, Problem> {
        match &self.ca {
            Some(path) => bundle(path).map_err(|error| fault(path, &error, "--store-ca names a PEM file")),
            None => system_roots().map_err(|error| Problem::error(Place::whole("--store"), error, "see --store-ca")),
        }
    }

    fn password(&self) -> Result<Option<AuthenticateRequest>, Problem> {
        let Some((name, path)) = &self.user else { return Ok(None) };
        let text = secret_file::read_owners_only(path, "--store-password", "the password");
        let text = text.map_err(|problems| {
            let none = || fault(path, &"cannot be read", "see --store-password");
            problems.into_iter().next().unwrap_or_else(none)
        })?;
        let password = text.trim_end_matches(['\n', '\r']).to_owned();
        if password.is_empty() {
            return Err(fault(path, &"has no password", "see --store-password"));
        }
        Ok(Some(AuthenticateRequest { name: name.clone(), password }))
    }
}

/// The name that the certificate of the member at `HOST:PORT` must have.
pub(super) fn server_name(member: &str) -> Result<ServerName<'static>, String> {
    let host = member.rsplit_once(':').map_or(member, |(host, _)| host);
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(bare.to_owned()).map_err(|error| error.to_string())
}

fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    let content = regular::read(path, regular::MAX_SMALL_BYTES);
    content.map(|(content, _)| content).map_err(|error| fault(path, &error, "see --store-cert and --store-key"))
}

fn fault(path: &Path, error: &dyn std::fmt::Display, hint: &str) -> Problem {
    Problem::error(Place::whole(path.display().to_string()), format!("cannot be used: {error}"), hint)
}

fn unusable(problem: &Problem) -> EtcdError {
    EtcdError::Unusable(format!("{}: {}", problem.place, problem.what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_members_name_is_that_of_its_certificate() {
        for (member, name) in
            [("a.example:2379", "a.example"), ("10.0.0.1:1", "10.0.0.1"), ("[2001:db8::1]:2", "2001:db8::1")]
        {
            assert_eq!(server_name(member).unwrap().to_str(), name);
        }
    }

    #[test]
    fn files_that_cannot_be_used_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let (missing, empty) = (dir.path().join("missing"), dir.path().join("empty"));
        std::fs::write(&empty, "\n").unwrap();
        std::fs::set_permissions(&empty, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let ca = |path: &PathBuf| EtcdAccess { is_encrypted: true, ca: Some(path.clone()), ..EtcdAccess::default() };
        let user = |path: &PathBuf| EtcdAccess { user: Some(("u".to_owned(), path.clone())), ..EtcdAccess::default() };
        let pair = EtcdAccess { certificate: Some((empty.clone(), empty.clone())), ..EtcdAccess::default() };
        for (access, file) in
            [(ca(&missing), &missing), (ca(&empty), &empty), (user(&missing), &missing), (user(&empty), &empty)]
        {
            assert_eq!(access.check().unwrap_err().place.file, file.display().to_string().into());
        }
        assert!(pair.check().is_ok(), "what is not encrypted shows no certificate");
    }
}
