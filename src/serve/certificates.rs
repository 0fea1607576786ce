//! The certificate of the encrypted listeners: two PEM files, read at the start and again when they change.
//!
//! A handshake takes whatever certificate is the newest good one; connections that stand keep theirs. Files that
//! cannot be used change nothing, as with every other source (invariant I5). Knows neither sockets nor DNS.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::client::verify_server_name;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error, InconsistentKeys, ServerConfig, SupportedProtocolVersion};

use super::validity::validity;
use crate::problem::{Place, Problem};
use crate::regular;
use crate::source::FileStamp;

/// How often the files are looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A certificate that ends within this time is due.
pub const DUE_SECONDS: i64 = 7 * 86_400;

/// A name that no certificate has (RFC 6761 6.4).
const NOBODY: &str = "nobody.invalid";

/// The newest good certificate, with its key.
#[derive(Debug)]
pub struct Certificates {
    cert: PathBuf,
    key: PathBuf,
    current: ArcSwap<CertifiedKey>,
    /// What the files were when they were last read.
    read: Mutex<Looks>,
}

/// How the certificate's file looks, and the key's.
type Looks = [Option<FileStamp>; 2];

impl Certificates {
    /// Reads the chain in `cert`, the server's own certificate first, and its key in `key`, both PEM (RFC 7468).
    pub fn read(cert: &Path, key: &Path) -> Result<Self, Problem> {
        let stamps = stamps(cert, key);
        let current = ArcSwap::from_pointee(load(cert, key)?);
        Ok(Self { cert: cert.to_owned(), key: key.to_owned(), current, read: Mutex::new(stamps) })
    }

    /// Reads both files again. True if the certificate is another one now; it serves from the next handshake on.
    pub fn reload(&self) -> Result<bool, Problem> {
        // locked until it is published, so that of two reloads the later one wins
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        *read = stamps(&self.cert, &self.key);
        let new = load(&self.cert, &self.key)?;
        let other = new.cert != self.current.load().cert;
        self.current.store(Arc::new(new));
        Ok(other)
    }

    /// The same, and says in the log what came of it.
    pub fn reload_and_log(&self) {
        match self.reload() {
            Ok(true) => tracing::info!("the certificate in {} is new, and served from now on", self.cert.display()),
            Ok(false) => {}
            Err(problem) => tracing::error!("{problem}\nthe former certificate keeps serving"),
        }
    }

    /// Whether the certificate has this DNS name or address among its subject's (RFC 9525 6).
    pub(super) fn have_name(&self, name: &str) -> bool {
        let current = self.current.load();
        let (Ok(name), Some(cert)) = (ServerName::try_from(name), current.cert.first()) else { return false };
        ParsedCertificate::try_from(cert).is_ok_and(|cert| verify_server_name(&cert, &name).is_ok())
    }

    /// The DNS names and addresses that the certificate is for.
    pub fn names(&self) -> Vec<String> {
        let current = self.current.load();
        let nobody = ServerName::try_from(NOBODY).ok();
        let (Some(nobody), Some(cert)) = (nobody, current.cert.first()) else { return Vec::new() };
        let Ok(cert) = ParsedCertificate::try_from(cert) else { return Vec::new() };
        match verify_server_name(&cert, &nobody) {
            // whoever is refused is told which names there are
            Err(Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. })) => {
                presented.iter().map(|name| bare_name(name).to_owned()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The first and the last second of the server's own certificate (Unix time).
    pub fn validity(&self) -> Option<(i64, i64)> {
        validity(self.current.load().cert.first()?)
    }

    /// When the server's own certificate ends (Unix time, in seconds).
    pub fn end(&self) -> Option<i64> {
        self.validity().map(|(_, end)| end)
    }

    /// Reads the files again whenever they have changed, looking `every` so often; never ends.
    pub async fn follow(self: Arc<Self>, every: Duration) {
        let mut before = None;
        loop {
            tokio::time::sleep(every).await;
            let me = Arc::clone(&self);
            // files may be slow
            let looked = tokio::task::spawn_blocking(move || me.look(before)).await;
            before = looked.unwrap_or_default();
        }
    }

    /// Reads the files if they are no longer what was read, and as they were `before`: whoever renews a certificate
    /// writes two files, one after the other. Returns what they are, if that has yet to be read.
    fn look(&self, before: Option<Looks>) -> Option<Looks> {
        let now = stamps(&self.cert, &self.key);
        if now == *self.read.lock().unwrap_or_else(PoisonError::into_inner) {
            return None;
        }
        if before != Some(now) {
            return Some(now);
        }
        self.reload_and_log();
        None
    }

    /// TLS for one protocol: these certificates, the protocol's name in ALPN (RFC 7301), no early data.
    ///
    /// A client that offers other protocols only is turned away; one that offers none is served.
    pub(super) fn config(
        self: &Arc<Self>,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&[u8]],
    ) -> Result<ServerConfig, Error> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions)?;
        let certificates: Arc<dyn ResolvesServerCert> = self.clone();
        let mut config = builder.with_no_client_auth().with_cert_resolver(certificates);
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        // sessions are resumed out of what the client keeps, so that they cost no memory here (RFC 8446 4.6.1)
        config.ticketer = ring::Ticketer::new()?;
        Ok(config)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

/// A name as rustls shows it: `DnsName("dns.example")`, `IpAddress(10.0.0.2)`.
fn bare_name(shown: &str) -> &str {
    let inner = shown.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(shown);
    inner.trim_matches('"')
}

fn stamps(cert: &Path, key: &Path) -> Looks {
    [cert, key].map(FileStamp::of)
}

fn load(cert: &Path, key: &Path) -> Result<CertifiedKey, Problem> {
    let chain = read_chain(cert)?;
    let private = read_key(key)?;
    CertifiedKey::from_der(chain, private, &ring::default_provider()).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => problem(
            key,
            format!("is not the key of the certificate in {}", cert.display()),
            "both commands have to print the same: `openssl x509 -noout -pubkey -in CERT`, `openssl pkey -pubout -in KEY`",
        ),
        Error::InvalidCertificate(error) => problem(
            cert,
            format!("the first certificate cannot be used: {error}"),
            "the server's own certificate comes first, its issuers after it; it has to be X.509 version 3",
        ),
        error => problem(
            key,
            format!("the key cannot be used: {error}"),
            "RSA (2048 to 8192 bits), ECDSA (P-256, P-384) and Ed25519 keys can",
        ),
    })
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let text = read_file(path, "--tls-cert")?;
    let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) if has_key(&text) => {
            Err(problem(path, "has a key and no certificate", "are --tls-cert and --tls-key the wrong way round?"))
        }
        Ok(_) => Err(problem(
            path,
            "has no certificate",
            "PEM is wanted, with a line -----BEGIN CERTIFICATE-----; DER becomes that with `openssl x509 -inform der`",
        )),
        Err(error) => Err(problem(path, format!("is not valid PEM: {error}"), "")),
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, Problem> {
    let text = read_file(path, "--tls-key")?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound if contains(&text, b"ENCRYPTED PRIVATE KEY") => problem(
            path,
            "the key is encrypted, and nobody is there to type the password",
            "`openssl pkey -in KEY -out PLAIN` decrypts it; let nobody but this server read the file",
        ),
        pem::Error::NoItemsFound => problem(
            path,
            "has no private key",
            "PEM is wanted, with a line -----BEGIN PRIVATE KEY-----, -----BEGIN EC PRIVATE KEY----- or -----BEGIN RSA PRIVATE KEY-----",
        ),
        error => problem(path, format!("is not valid PEM: {error}"), ""),
    })
}

fn read_file(path: &Path, flag: &str) -> Result<Vec<u8>, Problem> {
    let read = regular::read(path, regular::MAX_SMALL_BYTES);
    let (content, metadata) = read.map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::PermissionDenied => "the server's user has to be able to read it".to_owned(),
            _ => format!("{flag} names a PEM file"),
        };
        problem(path, format!("cannot be read: {error}"), hint)
    })?;
    // a group of those who may read keys is usual
    if has_key(&content) && regular::is_open_to_others(&metadata, true) {
        tracing::warn!("{0} can be read by all users of this machine: chmod o= {0}", path.display());
    }
    Ok(content)
}

fn has_key(text: &[u8]) -> bool {
    <(SectionKind, Vec<u8>)>::pem_slice_iter(text).flatten().any(|(kind, _)| {
        matches!(kind, SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey)
    })
}

fn contains(text: &[u8], words: &[u8]) -> bool {
    text.windows(words.len()).any(|window| window == words)
}

fn problem(path: &Path, what: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem::error(Place::whole(path.display().to_string()), what, hint)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::serve::testing::certificate;

    #[test]
    fn every_bad_file_has_its_own_words() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (certificate("one.example"), certificate("two.example"));
        let cut = &one.0[..one.0.len() / 2];
        let wrong = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let not_a_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        for (cert, key, file, words) in [
            (one.0.as_str(), two.1.as_str(), "key", "is not the key of the certificate in"),
            (&one.1, &one.0, "cert", "the wrong way round"),
            ("", &one.1, "cert", "has no certificate"),
            (cut, &one.1, "cert", "is not valid PEM"),
            (wrong, &one.1, "cert", "the first certificate cannot be used"),
            (&one.0, "", "key", "has no private key"),
            (&one.0, not_a_key, "key", "the key cannot be used"),
            (&one.0, encrypted, "key", "openssl pkey"),
        ] {
            let paths = ["cert", "key"].map(|name| dir.path().join(name));
            fs::write(&paths[0], cert).unwrap();
            fs::write(&paths[1], key).unwrap();
            let problem = Certificates::read(&paths[0], &paths[1]).unwrap_err();
            assert!(problem.place.file.ends_with(file) && problem.to_string().contains(words), "{words}: {problem}");
        }
        let gone = Certificates::read(&dir.path().join("gone"), &dir.path().join("key")).unwrap_err();
        assert!(gone.to_string().contains("--tls-cert names a PEM file"), "{gone}");
    }

    #[test]
    fn names_and_validity_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let told = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let certified = rcgen::generate_simple_self_signed(names).unwrap();
            let paths = ["cert", "key"].map(|name| dir.path().join(name));
            fs::write(&paths[0], certified.cert.pem()).unwrap();
            fs::write(&paths[1], certified.signing_key.serialize_pem()).unwrap();
            let certificates = Certificates::read(&paths[0], &paths[1]).unwrap();
            let (from, to) = certificates.validity().unwrap();
            assert!(from < to && certificates.end() == Some(to));
            certificates.names().join(" ")
        };
        let names = ["dns.example", "*.dns.example", "10.0.0.2", "fd00::2"];
        assert_eq!(told(&names), names.join(" "));
        assert_eq!(told(&[]), "");
    }

    #[test]
    fn a_renewal_is_taken_whole_and_a_bad_one_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = (dir.path().join("cert"), dir.path().join("key"));
        let write = |to: &Path, text: &str| {
            // renamed into place, as those who renew do
            fs::write(dir.path().join("new"), text).unwrap();
            fs::rename(dir.path().join("new"), to).unwrap();
        };
        let (old, new) = (certificate("old.example"), certificate("new.example"));
        write(&cert, &old.0);
        write(&key, &old.1);
        let certificates = Certificates::read(&cert, &key).unwrap();
        let served = || certificates.current.load().cert[0].to_vec();
        let first = served();
        assert_eq!(certificates.look(None), None, "nothing has changed");

        write(&cert, &new.0);
        let seen = certificates.look(None);
        assert!(seen.is_some());
        write(&key, &new.1);
        let seen = certificates.look(seen);
        assert!(seen.is_some() && served() == first, "the second file has only just come");
        assert_eq!(certificates.look(seen), None);
        let second = served();
        assert_ne!(second, first);

        write(&cert, &old.0);
        let seen = certificates.look(None);
        assert_eq!((certificates.look(seen), served()), (None, second.clone()), "it does not match the key");
        assert_eq!(certificates.look(None), None, "and is not tried again until it changes");
        assert!(certificates.reload().unwrap_err().what.contains("is not the key"));
        write(&key, &old.1);
        assert!(certificates.reload().unwrap());
        assert_eq!(served(), first);
        fs::remove_file(&key).unwrap();
        assert!(certificates.reload().is_err());
        assert_eq!(served(), first);
    }
}
