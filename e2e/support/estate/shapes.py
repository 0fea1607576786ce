"""Holds documents to botocore's service models, so that what the estate prints has AWS's own shape, and writes them as pages."""

import json

# words that EC2's models spell otherwise than EC2 does (see aws.md 3.1), or that are open lists
OPEN = {"State", "VpcState", "SubnetState", "NetworkInterfaceStatus", "AttachmentStatus", "ServiceState", "VpcCidrBlockStateCode",
        "SubnetCidrBlockStateCode", "InstanceType", "RRType", "VPCRegion", "ResourceRecordSetRegion"}
# a page has so many members of its list
PAGE = 7
MODELS = {}


class Misshapen(Exception):
    """A document that AWS would not print."""


def model(service):
    if service not in MODELS:
        import botocore.session  # e2e/requirements.txt: the caller has seen that it is there
        MODELS[service] = botocore.session.get_session().get_service_model(service)
    return MODELS[service]


def hold(service, operation, document):
    """Raises `Misshapen` unless the document is an output of the operation."""
    shape = model(service).operation_model(operation).output_shape
    _hold(document, shape, operation, extra=("NextToken",))


def _hold(value, shape, path, extra=()):
    kinds = {"structure": dict, "list": list, "string": str, "timestamp": str, "integer": int, "long": int, "boolean": bool}
    if not isinstance(value, kinds[shape.type_name]):
        raise Misshapen(f"{path}: {value!r} is no {shape.type_name}")
    if shape.type_name == "structure":
        for key, member in value.items():
            if key not in shape.members and key not in extra:
                raise Misshapen(f"{path}: {key} is not among {sorted(shape.members)}")
            if key in shape.members:
                _hold(member, shape.members[key], f"{path}.{key}")
        # only Route 53's models say what is always there
        if missing := [key for key in shape.required_members if key not in value and key not in NOT_BY_THE_CLI]:
            raise Misshapen(f"{path}: {missing} are missing")
    elif shape.type_name == "list":
        for number, member in enumerate(value):
            _hold(member, shape.member, f"{path}[{number}]")
    elif shape.type_name == "string" and getattr(shape, "enum", None) and shape.name not in OPEN and value not in shape.enum:
        raise Misshapen(f"{path}: '{value}' is not of {shape.name} {shape.enum}")


# members of pages that the AWS CLI merges away
NOT_BY_THE_CLI = {"IsTruncated", "Marker", "MaxItems"}


class Printer:
    """Writes outputs below a directory, one directory for each command of an account and Region."""

    def __init__(self, case, root):
        self.case, self.root, self.files, self.operations = case, root, 0, set()

    def one(self, where, service, operation, document, name="output"):
        hold(service, operation, document)
        self.files += 1
        self.operations.add(f"{service}:{operation}")
        text = json.dumps(document, indent=4, ensure_ascii=False)
        self.case.write(f"{self.root}/{where}/{service}/{operation}/{name}.json", text + "\n")

    def paged(self, where, service, operation, key, members, page=PAGE, name="page", **beside):
        """The pages as `--max-items` cuts them: a NextToken in each but the last."""
        pages = [members[at:at + page] for at in range(0, len(members), page)] or [[]]
        for number, part in enumerate(pages, 1):
            document = {key: part, **beside}
            if number < len(pages):
                document["NextToken"] = f"eyJOZXh0VG9rZW4iOiBudWxsLCAiYm90b190cnVuY2F0ZV9hbW91bnQiOiB{number}fQ=="
            self.one(where, service, operation, document, f"{name}-{number}")
