//! Where each service is called.

use axum::http::Uri;

use super::environment::Environment;
use super::profile::{ProfileFiles, profile_name};
use super::query::{Api, EC2, STS};
use super::rest::{PROFILES, RESOLVER, ROUTE53};
use crate::http_client::absolute_url;
use crate::naming::{Region, partition_of};

/// The variables with URLs of single services (AWS SDKs and Tools Reference Guide, "Service-specific endpoints").
const VARIABLES: [(&str, &str); 5] = [
    (EC2.service, "AWS_ENDPOINT_URL_EC2"),
    (STS.service, "AWS_ENDPOINT_URL_STS"),
    (ROUTE53.service, "AWS_ENDPOINT_URL_ROUTE_53"),
    (RESOLVER.service, "AWS_ENDPOINT_URL_ROUTE53RESOLVER"),
    (PROFILES.service, "AWS_ENDPOINT_URL_ROUTE53PROFILES"),
];

/// The URLs of services. What is given holds for EC2 over all else, and for the others unless a variable of theirs names
/// another: a VPC endpoint of EC2 does not answer for STS.
#[derive(Clone, Debug, Default)]
pub(super) struct ServiceUrls {
    /// By service.
    named: Vec<(&'static str, Uri)>,
    /// Those of AWS are the FIPS endpoints.
    fips: bool,
}

impl ServiceUrls {
    /// Of `given`, else of the variables that the AWS CLI reads; the text says what is no URL. `profile` is one that
    /// somebody named.
    pub(super) fn new(given: Option<String>, profile: Option<&str>, environment: &Environment) -> Result<Self, String> {
        let given = match given {
            Some(url) => Some(absolute_url(&url).map_err(|why| format!("'{url}' is {why}"))?),
            None => None,
        };
        let mut named = Vec::new();
        for (service, variable) in VARIABLES {
            let own = environment.url(variable)?;
            let url = match &given {
                Some(given) if service == EC2.service => Some(given.clone()),
                Some(given) => own.or_else(|| Some(given.clone())),
                None => own.or(environment.url("AWS_ENDPOINT_URL")?),
            };
            named.extend(url.map(|url| (service, url)));
        }
        Ok(Self { named, fips: uses_fips(profile, environment) })
    }

    /// Whether a call goes out over TLS.
    pub(super) fn need_tls(&self) -> bool {
        !VARIABLES.iter().all(|(service, _)| self.is_plain(service))
    }

    /// Whether a service is called without TLS, which no endpoint of AWS is: it is an emulator.
    pub(super) fn is_plain(&self, service: &str) -> bool {
        self.named(service).is_some_and(|url| url.scheme_str() == Some("http"))
    }

    /// The service's URL. STS too is asked in the region itself: its global endpoint is far, and its tokens are not
    /// valid in regions that an account opts into (STS, "Regions and endpoints"). Route 53 has one for each partition.
    pub(super) fn url(&self, api: Api, region: &Region) -> Result<Uri, String> {
        if let Some(url) = self.named(api.service) {
            return Ok(url.clone());
        }
        let partition = partition_of(region);
        let is_gov = partition.name == "aws-us-gov";
        // botocore's endpoint rules: the ordinary endpoints of the US government's regions are FIPS endpoints
        let fips = if self.fips && !(is_gov && api.service != PROFILES.service) { "-fips" } else { "" };
        let place = match (api.service == ROUTE53.service, partition.name) {
            (false, _) => format!(".{region}"),
            (true, "aws-us-gov") => ".us-gov".to_owned(),
            (true, "aws-eusc") => format!(".{}", signing_region(api, region)),
            (true, _) => String::new(),
        };
        absolute_url(&format!("https://{}{fips}{place}.{}/", api.service, partition.dns_suffix))
    }

    fn named(&self, service: &str) -> Option<&Uri> {
        self.named.iter().find(|(known, _)| *known == service).map(|(_, url)| url)
    }
}

/// The region that a call is signed for: Route 53 has one in each partition (botocore's endpoint rules).
pub(super) fn signing_region(api: Api, region: &Region) -> &str {
    if api.service != ROUTE53.service {
        return region.as_str();
    }
    match partition_of(region).name {
        "aws" => "us-east-1",
        "aws-cn" => "cn-northwest-1",
        "aws-us-gov" => "us-gov-west-1",
        "aws-eusc" => "eusc-de-east-1",
        "aws-iso" => "us-iso-east-1",
        "aws-iso-b" => "us-isob-east-1",
        "aws-iso-e" => "eu-isoe-west-1",
        "aws-iso-f" => "us-isof-south-1",
        _ => region.as_str(),
    }
}

/// Whether FIPS endpoints are asked for (AWS SDKs and Tools Reference Guide, "Dual-stack and FIPS endpoints"). Files that
/// cannot be read are a matter of who looks for credentials in them.
pub(super) fn uses_fips(profile: Option<&str>, environment: &Environment) -> bool {
    let is_true = |text: &str| text.eq_ignore_ascii_case("true");
    if let Some(text) = environment.variable("AWS_USE_FIPS_ENDPOINT") {
        return is_true(text);
    }
    let files = ProfileFiles::read(environment).ok();
    let profile = files.and_then(|files| files.profile(&profile_name(profile, environment).0));
    profile.is_some_and(|profile| profile.value("use_fips_endpoint").is_some_and(is_true))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use super::*;

    fn urls(given: Option<&str>, variables: &[(&str, &str)]) -> ServiceUrls {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        ServiceUrls::new(given.map(str::to_owned), None, &Environment::new(variables, Arc::new(SystemTime::now)))
            .unwrap()
    }

    /// Every URL is what botocore 1.44 calls, with and without `use_fips_endpoint`; so is the region in the signature.
    #[test]
    fn endpoints_are_those_of_botocore() {
        for (region, services) in [
            (
                "eu-west-1",
                [
                    ("https://ec2.eu-west-1.amazonaws.com/", "https://ec2-fips.eu-west-1.amazonaws.com/", "eu-west-1"),
                    ("https://sts.eu-west-1.amazonaws.com/", "https://sts-fips.eu-west-1.amazonaws.com/", "eu-west-1"),
                    ("https://route53.amazonaws.com/", "https://route53-fips.amazonaws.com/", "us-east-1"),
                    (
                        "https://route53resolver.eu-west-1.amazonaws.com/",
                        "https://route53resolver-fips.eu-west-1.amazonaws.com/",
                        "eu-west-1",
                    ),
                    (
                        "https://route53profiles.eu-west-1.amazonaws.com/",
                        "https://route53profiles-fips.eu-west-1.amazonaws.com/",
                        "eu-west-1",
                    ),
                ],
            ),
            (
                "us-gov-east-1",
                [
                    (
                        "https://ec2.us-gov-east-1.amazonaws.com/",
                        "https://ec2.us-gov-east-1.amazonaws.com/",
                        "us-gov-east-1",
                    ),
                    (
                        "https://sts.us-gov-east-1.amazonaws.com/",
                        "https://sts.us-gov-east-1.amazonaws.com/",
                        "us-gov-east-1",
                    ),
                    ("https://route53.us-gov.amazonaws.com/", "https://route53.us-gov.amazonaws.com/", "us-gov-west-1"),
                    (
                        "https://route53resolver.us-gov-east-1.amazonaws.com/",
                        "https://route53resolver.us-gov-east-1.amazonaws.com/",
                        "us-gov-east-1",
                    ),
                    (
                        "https://route53profiles.us-gov-east-1.amazonaws.com/",
                        "https://route53profiles-fips.us-gov-east-1.amazonaws.com/",
                        "us-gov-east-1",
                    ),
                ],
            ),
            (
                "cn-north-1",
                [
                    (
                        "https://ec2.cn-north-1.amazonaws.com.cn/",
                        "https://ec2-fips.cn-north-1.amazonaws.com.cn/",
                        "cn-north-1",
                    ),
                    (
                        "https://sts.cn-north-1.amazonaws.com.cn/",
                        "https://sts-fips.cn-north-1.amazonaws.com.cn/",
                        "cn-north-1",
                    ),
                    ("https://route53.amazonaws.com.cn/", "https://route53-fips.amazonaws.com.cn/", "cn-northwest-1"),
                    (
                        "https://route53resolver.cn-north-1.amazonaws.com.cn/",
                        "https://route53resolver-fips.cn-north-1.amazonaws.com.cn/",
                        "cn-north-1",
                    ),
                    (
                        "https://route53profiles.cn-north-1.amazonaws.com.cn/",
                        "https://route53profiles-fips.cn-north-1.amazonaws.com.cn/",
                        "cn-north-1",
                    ),
                ],
            ),
        ] {
            let region = region.parse().unwrap();
            let (plain, fips) = (urls(None, &[]), urls(None, &[("AWS_USE_FIPS_ENDPOINT", "true")]));
            for (api, (url, fips_url, signed)) in [EC2, STS, ROUTE53, RESOLVER, PROFILES].into_iter().zip(services) {
                assert_eq!(plain.url(api, &region).unwrap(), url);
                assert_eq!(fips.url(api, &region).unwrap(), fips_url);
                assert_eq!(signing_region(api, &region), signed);
            }
        }
    }

    /// So is this: Route 53 of the European Sovereign Cloud is in its region.
    #[test]
    fn route_53_of_aws_eusc_is_regional() {
        let region = "eusc-de-east-1".parse().unwrap();
        for (variables, url) in [
            (&[][..], "https://route53.eusc-de-east-1.amazonaws.eu/"),
            (&[("AWS_USE_FIPS_ENDPOINT", "true")], "https://route53-fips.eusc-de-east-1.amazonaws.eu/"),
        ] {
            assert_eq!(urls(None, variables).url(ROUTE53, &region).unwrap(), url);
        }
        assert_eq!(signing_region(ROUTE53, &region), "eusc-de-east-1");
    }

    #[test]
    fn what_is_given_holds_for_all_that_nothing_else_names() {
        let region = "eu-west-1".parse().unwrap();
        let of = |urls: &ServiceUrls, api| urls.url(api, &region).unwrap().to_string();
        let variables = [("AWS_ENDPOINT_URL_ROUTE_53", "http://r/"), ("AWS_ENDPOINT_URL_EC2", "http://e/")];
        let given = urls(Some("http://g/"), &variables);
        assert_eq!([EC2, ROUTE53, RESOLVER].map(|api| of(&given, api)), ["http://g/", "http://r/", "http://g/"]);
        let all = urls(None, &[("AWS_ENDPOINT_URL", "http://a/"), ("AWS_ENDPOINT_URL_EC2", "http://e/")]);
        assert_eq!([EC2, STS, PROFILES].map(|api| of(&all, api)), ["http://e/", "http://a/", "http://a/"]);
        assert!(!all.need_tls() && urls(None, &variables).need_tls());
    }

    #[test]
    fn a_profile_may_ask_for_fips() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("config");
        std::fs::write(&config, "[default]\nuse_fips_endpoint = true\n[profile two]\nregion = x\n").unwrap();
        let config = config.display().to_string();
        let fips = |variables: &[(&str, &str)]| {
            urls(None, &[&[("AWS_CONFIG_FILE", config.as_str())], variables].concat()).fips
        };
        assert!(fips(&[]));
        assert!(!fips(&[("AWS_PROFILE", "two")]));
        assert!(!fips(&[("AWS_USE_FIPS_ENDPOINT", "false")]));
    }
}
