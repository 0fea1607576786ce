"""TOML for the server under test, written as a user would write it."""

REGION = "us-east-1"
SUFFIX = f"{REGION}.vpce.amazonaws.com"


def quote(value):
    """A value in TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(quote(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {quote(item)}" for key, item in value.items()) + " }"
    if isinstance(value, int):
        return str(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def table(kind, **keys):
    """One `[[kind]]`."""
    return f"[[{kind}]]\n" + "".join(f"{key} = {quote(value)}\n" for key, value in keys.items()) + "\n"


def vpc(vpc_id, *cidr_blocks, region=REGION, enable_dns_hostnames=True, **keys):
    """A VPC with both DNS attributes on, as private DNS wants it."""
    return table("vpc", vpc_id=vpc_id, region=region, cidr_blocks=cidr_blocks,
                 enable_dns_hostnames=enable_dns_hostnames, **keys)


def subnet(subnet_id, vpc_id, zone, cidr_block):
    """A subnet in availability zone `zone` (a letter)."""
    return table("subnet", subnet_id=subnet_id, vpc_id=vpc_id, availability_zone=REGION + zone,
                 cidr_block=cidr_block)


def endpoint(endpoint_id, vpc_id, service, suffix, interfaces, **keys):
    """An endpoint; `interfaces` is a list of (subnet id, address) or (subnet id, address, IPv6 address), `service`
    what follows `com.amazonaws.REGION.` or a whole name."""
    name = service if service.startswith("com.") else f"com.amazonaws.{REGION}.{service}"
    keys_of_card = ("subnet_id", "private_ip_address", "ipv6_address")
    cards = [{"network_interface_id": f"eni-{endpoint_id[-12:]}{n:05x}", **dict(zip(keys_of_card, card))}
             for n, card in enumerate(interfaces)]
    return table("vpc_endpoint", vpc_endpoint_id=endpoint_id, vpc_id=vpc_id, service_name=name, dns_suffix=suffix,
                 **keys, network_interfaces=cards)
