"""Facts of AWS that the estate needs: partitions, Regions, names of services. From AWS's documentation, not from the server."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Region:
    """A Region: `code` is the head of its zone ids (use1-az1), `zone` the public zone of its endpoints' names."""
    name: str
    code: str
    zone: str
    suffix: str = "amazonaws.com"
    dual: str = "api.aws"
    partition: str = "aws"
    prefix: str = "com.amazonaws"

    @property
    def internal(self):
        """The domain of names of instances (VPC guide, "DNS attributes for your VPC")."""
        return "ec2.internal" if self.name == "us-east-1" else f"{self.name}.compute.internal"

    @property
    def public(self):
        return f"compute-1.{self.suffix}" if self.name == "us-east-1" else f"{self.name}.compute.{self.suffix}"


REGIONS = {region.name: region for region in [
    Region("us-east-1", "use1", "Z7HUB22UULQXV"),
    Region("eu-west-1", "euw1", "Z38GZ743OKFT7T"),
    Region("us-west-2", "usw2", "Z1YSA3EXCYUU9Z"),
    Region("cn-north-1", "cnn1", "Z1GM3OXH4ZPM65", "amazonaws.com.cn", "api.amazonwebservices.com.cn", "aws-cn", "cn.com.amazonaws"),
    Region("us-gov-west-1", "ugw1", "Z12529ZODG2B6H", partition="aws-us-gov"),
]}

# service: (labels before `.<region>.vpce.<suffix>`, private names); {r} Region, {s} the partition's suffix, {d} its dual-stack
# suffix. Those of private-names.json that were seen or documented, in the order in which they were seen.
SERVICES = {
    "sqs": ("sqs", ["sqs.{r}.{s}"]),
    "sns": ("sns", ["sns.{r}.{s}"]),
    "ec2": ("ec2", ["ec2.{r}.{s}"]),
    "sts": ("sts", ["sts.{r}.{s}"]),
    "kms": ("kms", ["kms.{r}.{s}"]),
    "events": ("events", ["events.{r}.{s}"]),
    "secretsmanager": ("secretsmanager", ["secretsmanager.{r}.{s}"]),
    "elasticloadbalancing": ("elasticloadbalancing", ["elasticloadbalancing.{r}.{s}"]),
    "monitoring": ("monitoring", ["monitoring.{r}.{s}", "monitoring.{r}.{d}", "monitoring-fips.{r}.{s}", "monitoring-fips.{r}.{d}"]),
    "logs": ("logs", ["logs.{r}.{s}", "logs.{r}.{d}", "streaming-logs.{r}.{d}", "streaming-logs.{r}.{s}"]),
    "ecr.api": ("api.ecr", ["api.ecr.{r}.{s}", "ecr.{r}.{d}"]),
    "ecr.dkr": ("dkr.ecr", ["dkr.ecr.{r}.{s}", "*.dkr.ecr.{r}.{s}", "dkr-ecr.{r}.on.aws", "*.dkr-ecr.{r}.on.aws"]),
    "ssm": ("ssm", ["ssm.{r}.{s}", "ssm.{r}.{d}"]),
    "ec2messages": ("ec2messages", ["ec2messages.{r}.{s}"]),
    "kinesis-streams": ("kinesis", ["kinesis.{r}.{s}"]),
    "kinesis-firehose": ("firehose", ["firehose.{r}.{s}"]),
    "execute-api": ("execute-api", ["execute-api.{r}.{s}", "*.execute-api.{r}.{s}"]),
    "codeartifact.api": ("api.codeartifact", ["codeartifact.{r}.{s}"]),
    "ecs-agent": ("ecs-a", ["ecs-a.{r}.{s}"]),
    "sagemaker.runtime": ("runtime.sagemaker", ["runtime.sagemaker.{r}.{s}"]),
    "dynamodb": ("dynamodb", []),
    "s3": ("s3", ["s3.{r}.{s}", "*.s3.{r}.{s}", "s3-control.{r}.{s}", "*.s3-control.{r}.{s}", "s3-accesspoint.{r}.{s}",
                  "*.s3-accesspoint.{r}.{s}"]),
}
# CDK's list for China: these have no `cn.` in front
PLAIN_IN_CHINA = {"s3", "ssm", "ec2messages", "logs", "monitoring", "secretsmanager", "kms", "events", "dynamodb"}


def service_name(service, region):
    prefix = "com.amazonaws" if service in PLAIN_IN_CHINA else region.prefix
    return f"{prefix}.{region.name}.{service}"


def base_name(service, region):
    return f"{SERVICES[service][0]}.{region.name}.vpce.{region.suffix}"


def private_names(service, region):
    fill = {"r": region.name, "s": region.suffix, "d": region.dual}
    names = [name.format(**fill) for name in SERVICES[service][1]]
    # names of the dual-stack suffix were seen in the aws partition only
    return [name for name in names if region.partition == "aws" or name.endswith(region.suffix)]
