//! The way out: directly, or through a proxy; who says where hosts are, and whose certificates are believed.
//!
//! The variables are those of the AWS CLI (User Guide, "Using an HTTP proxy"). Only HTTPS goes through a proxy, by CONNECT
//! (RFC 9110 9.3.6), so a proxy sees no request and no signature. `http://` is for emulators and metadata services, which are
//! near.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::Uri;
use axum::http::uri::Scheme;
use futures_util::TryFutureExt as _;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::net::TcpStream;
use tower_service::Service;

use super::host_lookup::HostLookup;

/// How long the addresses of a host have to take a connection, all together.
const CONNECT: Duration = Duration::from_secs(5);
/// The file of certificate authorities, in place of the machine's.
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// How requests leave this machine. By default: directly, believing this machine's certificate authorities.
#[derive(Clone, Debug, Default)]
pub struct Egress {
    proxy: Option<Arc<Matcher>>,
    ca_bundle: Option<PathBuf>,
    names: HostLookup,
}

impl Egress {
    /// As variables say: HTTPS_PROXY, NO_PROXY and AWS_CA_BUNDLE. The text says which of them is wrong, and not its value,
    /// as a proxy's may have a password.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        // lowercase first, as curl and Python have it
        let either = |name: &str| {
            let lower = name.to_ascii_lowercase();
            variable(&lower).map(|value| (lower, value)).or_else(|| Some((name.to_owned(), variable(name)?)))
        };
        let no_proxy = either("NO_PROXY").map(|(_, value)| value).unwrap_or_default();
        let proxy = match either("HTTPS_PROXY") {
            // a matcher takes `*` for all names, and for no address
            Some(_) if no_proxy.split(',').any(|part| part.trim() == "*") => None,
            Some((name, proxy)) => Some(Arc::new(proxy_rules(&name, &proxy, no_proxy)?)),
            None => None,
        };
        Ok(Self { proxy, ca_bundle: variable(CA_BUNDLE).map(PathBuf::from), names: HostLookup::default() })
    }

    /// The same, where `names` knows the hosts, that of the proxy too.
    #[must_use]
    pub fn knowing(self, names: HostLookup) -> Self {
        Self { names, ..self }
    }

    /// The certificate authorities that are believed.
    pub(super) fn roots(&self) -> Result<RootCertStore, String> {
        if let Some(path) = &self.ca_bundle {
            return bundle(path).map_err(|why| format!("{CA_BUNDLE} {}: {why}", path.display()));
        }
        system_roots()
    }

    pub(super) fn connector(&self, timeout: Duration) -> EgressConnector {
        let mut direct = HttpConnector::new_with_resolver(self.names.clone());
        direct.enforce_http(false);
        direct.set_connect_timeout(Some(CONNECT.min(timeout)));
        EgressConnector { direct, proxy: self.proxy.clone() }
    }
}

fn proxy_rules(name: &str, proxy: &str, no_proxy: String) -> Result<Matcher, String> {
    let wrong = |what: &str| Err(format!("{name} {what}: give a URL such as http://proxy.example:3128"));
    if proxy.split_once("://").is_some_and(|(scheme, _)| !scheme.eq_ignore_ascii_case("http")) {
        return wrong("is no http:// URL, by which proxies are reached here");
    }
    // a matcher that understands nothing lets everything pass directly, and does not say so
    let any = Uri::from_static("https://proxied.example/");
    if Matcher::builder().https(proxy).build().intercept(&any).is_none() {
        return wrong("is no URL");
    }
    Ok(Matcher::builder().https(proxy).no(no_proxy).build())
}

/// The certificate authorities of this machine.
pub fn system_roots() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (good, _) = roots.add_parsable_certificates(found.certs);
    let why = || found.errors.first().map_or_else(|| "there are none".to_owned(), ToString::to_string);
    if good > 0 {
        Ok(roots)
    } else {
        Err(format!("cannot read the certificate authorities of this machine: {}", why()))
    }
}

/// The certificate authorities in a PEM file.
pub fn bundle(path: &Path) -> Result<RootCertStore, String> {
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| format!("is not PEM: {error}"))?;
        roots.add(certificate).map_err(|error| format!("has a certificate that cannot be used: {error}"))?;
    }
    if roots.is_empty() { Err("has no certificate".to_owned()) } else { Ok(roots) }
}

/// Connects to a host, or to the proxy that leads to it.
#[derive(Clone)]
pub(super) struct EgressConnector {
    direct: HttpConnector<HostLookup>,
    proxy: Option<Arc<Matcher>>,
}

type ConnectError = Box<dyn Error + Send + Sync>;

impl Service<Uri> for EgressConnector {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        self.direct.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let is_https = to.scheme() == Some(&Scheme::HTTPS);
        match self.proxy.as_ref().filter(|_| is_https).and_then(|proxy| proxy.intercept(&to)) {
            Some(proxy) => {
                let mut tunnel = Tunnel::new(proxy.uri().clone(), self.direct.clone());
                if let Some(who) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(who.clone());
                }
                let name = proxy.uri().authority().map(ToString::to_string).unwrap_or_default();
                Box::pin(tunnel.call(to).map_err(move |error| ConnectError::from(through(&name, &error))))
            }
            None => Box::pin(self.direct.call(to).map_err(Into::into)),
        }
    }
}

/// What went wrong on the way through a proxy. The name has no password in it: that was taken out when it was read.
fn through(name: &str, error: &dyn Error) -> String {
    let name = name.rsplit('@').next().unwrap_or_default();
    let cause = error.source().map(|cause| format!(": {}", super::chain(cause))).unwrap_or_default();
    format!("through the proxy {name}: {error}{cause}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn egress(variables: &[(&str, &str)]) -> Result<Egress, String> {
        let found =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Egress::from_variables(found)
    }

    #[track_caller]
    fn proxy_to(variables: &[(&str, &str)], url: &str) -> Option<String> {
        let egress = egress(variables).unwrap();
        egress.proxy?.intercept(&url.parse().unwrap()).map(|proxy| proxy.uri().to_string())
    }

    #[test]
    fn https_goes_through_the_proxy_that_is_named() {
        let named =
            [("HTTPS_PROXY", "http://proxy.example:3128"), ("NO_PROXY", "169.254.169.254,.internal,10.0.0.0/8")];
        let proxy = Some("http://proxy.example:3128/".to_owned());
        assert_eq!(proxy_to(&named, "https://ec2.eu-west-1.amazonaws.com/"), proxy);
        for near in ["https://10.1.2.3/", "https://emulator.internal/", "https://169.254.169.254/"] {
            assert_eq!(proxy_to(&named, near), None, "{near}");
        }
        assert_eq!(proxy_to(&[("https_proxy", "proxy.example:3128"), named[0]], "https://a.example/"), proxy);
        for all in ["https://a.example/", "https://127.0.0.1/", "https://[::1]:8443/"] {
            assert_eq!(proxy_to(&[named[0]], all), proxy);
            assert_eq!(proxy_to(&[named[0], ("no_proxy", "a.test, *")], all), None);
        }
        assert_eq!(proxy_to(&[], "https://a.example/"), None);
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_not_passed_by() {
        for url in ["socks5://u:secret@h:1", "https://u:secret@h:1", "http://u:secret@", "http://u:secret@[::1:3"] {
            let why = egress(&[("HTTPS_PROXY", url)]).unwrap_err();
            assert!(why.starts_with("HTTPS_PROXY is no ") && !why.contains("secret"), "{why}");
        }
    }

    #[test]
    fn a_bundle_has_certificates() {
        let dir = tempfile::tempdir().unwrap();
        let roots = |path: &Path| {
            let path = path.to_str().unwrap();
            egress(&[(CA_BUNDLE, path)]).unwrap().roots().map(|roots| roots.len())
        };
        let path = dir.path().join("ca.pem");
        assert!(roots(&path).unwrap_err().contains("ca.pem: No such file"));
        for (text, why) in [
            ("", "has no certificate"),
            ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "is not PEM"),
            ("-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n", "cannot be used"),
        ] {
            std::fs::write(&path, text).unwrap();
            let told = roots(&path).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
        let good = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap().cert.pem();
        std::fs::write(&path, good).unwrap();
        assert_eq!(roots(&path), Ok(1));
    }
}
