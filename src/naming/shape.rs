//! The shapes of service names: which prefix, which region, and what is left as the service's own name.
//!
//! Knows the words in front and their order; not which services there are (that is `catalogue`).

use super::partition::{COMMON_SERVICE_PREFIX, PARTITIONS, Partition, is_region_code, partition_of_code};

/// How the names of a group of services begin; each is a table of `services.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// `com.amazonaws.{region}`, or the partition's own prefix.
    Regional,
    /// `com.amazonaws`, without a region.
    Global,
    /// `aws.sagemaker.{region}`
    Sagemaker,
    /// `aws.api.{region}`
    Api,
    /// `api.aws.{region}`: the same the other way round, as AWS named one service.
    TurnedApi,
}

impl Family {
    /// Every family.
    pub(super) const ALL: [Self; 5] = [Self::Regional, Self::Global, Self::Sagemaker, Self::Api, Self::TurnedApi];

    /// What its service names begin with, where no partition has its own way.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Regional | Self::Global => COMMON_SERVICE_PREFIX,
            Self::Sagemaker => "aws.sagemaker",
            Self::Api => "aws.api",
            Self::TurnedApi => "api.aws",
        }
    }

    /// What its endpoints' names end in: the prefix turned round, in the words of the partition.
    pub(super) fn suffix(self, partition: &Partition) -> &'static str {
        match self {
            Self::Regional | Self::Global => partition.dns_suffix,
            Self::Sagemaker => "sagemaker.aws",
            Self::Api | Self::TurnedApi => partition.dual_stack_suffix,
        }
    }
}

/// A service name, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape<'a> {
    /// A service of AWS in a region, `global` among them (`aws.api.global.codecatalyst`).
    Regional {
        /// How the name begins.
        family: Family,
        /// The prefix as it was written: `cn.com.amazonaws`.
        prefix: &'a str,
        /// The region.
        region: &'a str,
        /// What follows the region: `ecr.dkr`.
        service: &'a str,
    },
    /// A service of AWS without a region: `iam`.
    Global {
        /// What follows the prefix.
        service: &'a str,
    },
    /// An endpoint service of an account.
    EndpointService {
        /// The region.
        region: &'a str,
        /// `vpce-svc-...`
        id: &'a str,
    },
}

/// The region of services that have none but write the word in its place.
pub(super) const NO_REGION: &str = "global";

/// Takes a service name apart; `None` if it has none of the known shapes.
pub(super) fn parse(name: &str) -> Option<Shape<'_>> {
    for family in [Family::Sagemaker, Family::Api, Family::TurnedApi] {
        if let Some(rest) = after(name, family.prefix()) {
            let (region, service) = rest.split_once('.')?;
            let known = is_region_code(region) || region == NO_REGION;
            return known.then_some(Shape::Regional { family, prefix: family.prefix(), region, service });
        }
    }
    // cn.com.amazonaws does not begin with com.amazonaws, so at most one prefix fits
    let (prefix, rest) = PARTITIONS.iter().find_map(|p| Some((p.service_prefix, after(name, p.service_prefix)?)))?;
    if let Some(rest) = after(rest, "vpce") {
        let (region, id) = rest.split_once('.')?;
        let fits = belongs(prefix, region) && is_endpoint_service_id(id);
        return fits.then_some(Shape::EndpointService { region, id });
    }
    match rest.split_once('.') {
        Some((region, service)) if is_region_code(region) => {
            let fits = belongs(prefix, region) && !service.starts_with("vpce-svc-");
            fits.then_some(Shape::Regional { family: Family::Regional, prefix, region, service })
        }
        _ => (prefix == COMMON_SERVICE_PREFIX).then_some(Shape::Global { service: rest }),
    }
}

fn after<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    name.strip_prefix(prefix)?.strip_prefix('.')
}

/// Whether services of `region` can begin with `prefix`.
fn belongs(prefix: &str, region: &str) -> bool {
    is_region_code(region) && (prefix == COMMON_SERVICE_PREFIX || prefix == partition_of_code(region).service_prefix)
}

fn is_endpoint_service_id(id: &str) -> bool {
    id.strip_prefix("vpce-svc-")
        .is_some_and(|hex| hex.len() == 17 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regional<'a>(family: Family, prefix: &'a str, region: &'a str, service: &'a str) -> Shape<'a> {
        Shape::Regional { family, prefix, region, service }
    }

    #[test]
    fn names_come_apart() {
        use Family::{Api, Regional, Sagemaker, TurnedApi};
        for (name, shape) in [
            ("com.amazonaws.us-east-1.ecr.dkr", regional(Regional, "com.amazonaws", "us-east-1", "ecr.dkr")),
            ("com.amazonaws.cn-north-1.s3", regional(Regional, "com.amazonaws", "cn-north-1", "s3")),
            ("cn.com.amazonaws.cn-north-1.ec2", regional(Regional, "cn.com.amazonaws", "cn-north-1", "ec2")),
            ("eu.amazonaws.eusc-de-east-1.ec2", regional(Regional, "eu.amazonaws", "eusc-de-east-1", "ec2")),
            ("aws.sagemaker.us-east-1.studio", regional(Sagemaker, "aws.sagemaker", "us-east-1", "studio")),
            ("aws.api.us-east-1.qbusiness", regional(Api, "aws.api", "us-east-1", "qbusiness")),
            ("aws.api.global.codecatalyst", regional(Api, "aws.api", "global", "codecatalyst")),
            ("api.aws.us-east-1.x", regional(TurnedApi, "api.aws", "us-east-1", "x")),
            ("com.amazonaws.iam", Shape::Global { service: "iam" }),
            ("com.amazonaws.s3-global.accesspoint", Shape::Global { service: "s3-global.accesspoint" }),
            (
                "cn.com.amazonaws.vpce.cn-north-1.vpce-svc-0e123abc123198abc",
                Shape::EndpointService { region: "cn-north-1", id: "vpce-svc-0e123abc123198abc" },
            ),
        ] {
            assert_eq!(parse(name), Some(shape), "{name}");
        }
    }

    #[test]
    fn other_shapes_are_refused() {
        for name in [
            "ec2",
            "com.amazonaws",
            "com.amazon.us-east-1.ec2",
            "cn.com.amazonaws.us-east-1.ec2",
            "cn.com.amazonaws.iam",
            "aws.api.qbusiness",
            "aws.sagemaker.studio",
            "com.amazonaws.vpce.us-east-1.vpce-svc-123",
            "com.amazonaws.vpce.vpce-svc-0e123abc123198abc",
            "com.amazonaws.us-east-1.vpce-svc-0e123abc123198abc",
        ] {
            assert_eq!(parse(name), None, "{name}");
        }
    }
}
