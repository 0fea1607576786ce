//! The encrypted addresses that the settings ask for, and the certificate that these want.

use std::sync::Arc;

use crate::config::Settings;
use crate::observe::CertificateEnd;
use crate::problem::{Place, Problem};
use crate::serve::certificates::Certificates;
use crate::serve::encrypted::Address;

/// What is to be opened.
pub(crate) struct EncryptedSettings {
    pub(crate) addresses: Vec<Address>,
    pub(crate) certificates: Arc<Certificates>,
}

/// What the settings ask for; `None` if that is nothing.
pub(crate) fn read(settings: &Settings) -> Result<Option<EncryptedSettings>, Vec<Problem>> {
    let addresses = Address::wanted(settings);
    let Some(first) = addresses.first() else {
        return Ok(None);
    };
    let (Some(cert), Some(key)) = (&settings.tls_cert, &settings.tls_key) else {
        let missing = if settings.tls_cert.is_none() { "--tls-cert" } else { "--tls-key" };
        let what = format!("{} requires a certificate and its key, and {missing} is not given", first.flag());
        let hint = "--tls-cert FILE --tls-key FILE, both PEM; `openssl req -x509 -newkey ec -pkeyopt \
                    ec_paramgen_curve:P-256 -nodes -days 90 -subj /CN=dns.example -addext \
                    subjectAltName=DNS:dns.example -out cert.pem -keyout key.pem` makes a pair to try with";
        return Err(vec![Problem::error(Place::whole(missing), what, hint)]);
    };
    let certificates = Certificates::read(cert, key).map_err(|problem| vec![problem])?;
    Ok(Some(EncryptedSettings { addresses, certificates: Arc::new(certificates) }))
}

/// When the certificate ends, whichever is served at the time.
pub(super) fn certificate_end(certificates: Arc<Certificates>) -> CertificateEnd {
    Arc::new(move || certificates.end())
}
