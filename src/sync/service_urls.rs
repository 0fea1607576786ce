//! Where each service is called.

use axum::http::Uri;

use super::environment::Environment;
use super::query::{Api, EC2, STS};
use crate::http_client::absolute_url;
use crate::naming::{Region, partition_of};

/// The URLs of the Query services. What is given holds for EC2 over all else, and for STS unless AWS_ENDPOINT_URL_STS names
/// another: a VPC endpoint of EC2 does not answer for STS.
#[derive(Clone, Debug, Default)]
pub(super) struct ServiceUrls {
    ec2: Option<Uri>,
    sts: Option<Uri>,
}

impl ServiceUrls {
    /// Of `given`, else of the variables that the AWS CLI reads ("Service-specific endpoints"); the text says what is no URL.
    pub(super) fn new(given: Option<String>, environment: &Environment) -> Result<Self, String> {
        let given = match given {
            Some(url) => Some(absolute_url(&url).map_err(|why| format!("'{url}' is {why}"))?),
            None => None,
        };
        let ec2 = environment.endpoint("AWS_ENDPOINT_URL_EC2")?;
        let sts = match environment.url("AWS_ENDPOINT_URL_STS")? {
            Some(url) => Some(url),
            None => given.clone().or(environment.url("AWS_ENDPOINT_URL")?),
        };
        Ok(Self { ec2: given.or(ec2), sts })
    }

    /// Whether a call goes out over TLS.
    pub(super) fn need_tls(&self) -> bool {
        let is_plain = |url: &Option<Uri>| url.as_ref().is_some_and(|url| url.scheme_str() == Some("http"));
        !(is_plain(&self.ec2) && is_plain(&self.sts))
    }

    /// The service's URL. STS too is asked in the region itself: its global endpoint is far, and its tokens are not
    /// valid in regions that an account opts into (STS, "Regions and endpoints").
    pub(super) fn url(&self, api: Api, region: &Region) -> Result<Uri, String> {
        let named = match api.service {
            service if service == EC2.service => &self.ec2,
            service if service == STS.service => &self.sts,
            _ => &None,
        };
        match named {
            Some(url) => Ok(url.clone()),
            None => absolute_url(&format!("https://{}.{region}.{}/", api.service, partition_of(region).dns_suffix)),
        }
    }
}
