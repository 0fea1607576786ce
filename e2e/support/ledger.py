"""Clients of the EC2 API that keep a book of what they were told, and the audit of a server against those books."""

from .ec2 import SERVED, make_endpoint, make_subnet, make_vpc, names_of, tag_of, tags

SERVICES = ["sqs", "sns", "kms", "ssm", "logs", "sts", "ec2", "monitoring", "secretsmanager", "events"]


class Client:
    """One client and the endpoints that are its own, in a VPC of its own. An endpoint is known by its Name tag."""

    def __init__(self, raw, number, rng):
        self.number, self.rng, self.made, self.acknowledged = number, rng, 0, 0
        self.block = f"127.{number + 1}"
        self.vpc = make_vpc(raw, f"{self.block}.0.0/16")
        self.subnets = [make_subnet(raw, self.vpc, f"{self.block}.{16 * n}.0/20", zone) for n, zone in enumerate("abc")]
        # name: what it should be; name: its id; name: its last names; the call under way as (name, before, after)
        self.alive, self.gone, self.names, self.unknown = {}, {}, {}, None

    def step(self, raw):
        """One change, chosen by chance; written down before it is asked for and after it was acknowledged."""
        choice = self.rng.random()
        if len(self.alive) < 5 or (choice < 0.4 and len(self.alive) < 40):
            self.create(raw)
        elif choice < 0.75:
            self.modify(raw)
        else:
            self.delete(raw)
        self.unknown = None
        self.acknowledged += 1

    def create(self, raw):
        self.made += 1
        name = f"c{self.number}-{self.made}"
        taken = {book["service"] for book in self.alive.values() if book["private"]}
        service = self.rng.choice(SERVICES)
        book = {"service": service, "subnets": set(self.rng.sample(self.subnets, self.rng.randint(1, 3))),
                "private": service not in taken and self.rng.random() < 0.7}
        self.unknown = (name, None, book)
        book["id"] = self.ask_for(raw, name, book)["vpcEndpointId"]
        self.alive[name] = book

    def ask_for(self, raw, name, book):
        """The create call of a book; the token makes it the same call however often it is made."""
        return make_endpoint(raw, self.vpc, book["service"], sorted(book["subnets"]), PrivateDnsEnabled=book["private"],
                             ClientToken=f"token-{name}", TagSpecification=tags("vpc-endpoint", Name=name))

    def modify(self, raw):
        """Two things at once, so that half of a change would show."""
        name = self.rng.choice(sorted(self.alive))
        before = self.alive[name]
        add = [subnet for subnet in self.subnets if subnet not in before["subnets"]][:1]
        remove = [] if add else sorted(before["subnets"])[:2]
        taken = {book["service"] for book in self.alive.values() if book["private"]} - (
            {before["service"]} if before["private"] else set())
        private = not before["private"] and before["service"] not in taken
        after = {**before, "subnets": (before["subnets"] | set(add)) - set(remove), "private": private}
        self.unknown = (name, before, after)
        raw.call("ModifyVpcEndpoint", VpcEndpointId=before["id"], AddSubnetId=add, RemoveSubnetId=remove,
                 PrivateDnsEnabled=private)
        self.alive[name] = after

    def delete(self, raw):
        name = self.rng.choice(sorted(self.alive))
        self.unknown = (name, self.alive[name], None)
        failed = raw.call("DeleteVpcEndpoints", VpcEndpointId=[self.alive[name]["id"]])["unsuccessful"]
        if failed:
            raise AssertionError(f"{name} could not be deleted: {failed}")
        self.gone[name] = self.alive.pop(name)["id"]


def verify(case, server, clients, when):
    """Holds a server against its clients' books, settles the calls that were under way; whether all was well."""
    before = case.failed
    with server.raw() as raw:
        found = endpoints(raw)
        for client in clients:
            settle(case, raw, client, found, when)
        found = endpoints(raw)
        cards = {card["networkInterfaceId"]: card for card in raw.all("DescribeNetworkInterfaces")}
        known = {name for client in clients for name in client.alive}
        case.equal(f"{when}: endpoints that nobody was told of", sorted(set(found) - known), [])
        used = [card for name in known if name in found for card in found[name]["networkInterfaceIdSet"]]
        case.equal(f"{when}: interfaces of no endpoint, or of two", sorted(cards), sorted(used))
        addresses = [card["privateIpAddress"] for card in cards.values()]
        case.equal(f"{when}: addresses used twice", len(addresses), len(set(addresses)))
        for client in clients:
            for name, book in client.alive.items():
                if name not in found:
                    case.check(False, f"{when}: {name} was acknowledged and is not there: {book}")
                else:
                    whole(case, server, client, name, book, found[name], cards, when)
            dns_of_the_gone(case, server, client, when)
    return case.failed == before


def endpoints(raw):
    """The endpoints that there are, by their Name tag."""
    return {tag_of(item, "Name"): item for item in raw.all("DescribeVpcEndpoints")
            if item["state"] not in ("deleted", "deleting")}


def settle(case, raw, client, found, when):
    """The call that was under way: before or after, nothing between. The book follows what is there."""
    if client.unknown is None:
        return
    name, before, after = client.unknown
    client.unknown = None
    item = found.get(name)
    if before is None:
        # asked again with its token: the same endpoint if it was made, else a new one
        made = client.ask_for(raw, name, after)
        if item is not None:
            case.equal(f"{when}: id of {name}, asked for again with its token",
                       made["vpcEndpointId"], item["vpcEndpointId"])
        client.alive[name] = {**after, "id": made["vpcEndpointId"]}
    elif after is None:
        if item is None:
            client.gone[name] = client.alive.pop(name)["id"]
    elif item is not None:
        seen = (set(item["subnetIdSet"]), item["privateDnsEnabled"] == "true")
        case.check(seen in [(book["subnets"], book["private"]) for book in (before, after)],
                   f"{when}: half a modify of {name}: {seen}, before {before}, after {after}")
        client.alive[name] = after if seen == (after["subnets"], after["private"]) else before


def whole(case, server, client, name, book, item, cards, when):
    """One endpoint as described is what the book says, complete, and what DNS answers."""
    case.equal(f"{when}: {name}", (item["vpcEndpointId"], set(item["subnetIdSet"]), item["privateDnsEnabled"] == "true",
                                   item["state"] in SERVED), (book["id"], book["subnets"], book["private"], True))
    mine = [cards.get(card, {}) for card in item["networkInterfaceIdSet"]]
    case.equal(f"{when}: subnets of the interfaces of {name}", {card.get("subnetId") for card in mine}, book["subnets"])
    by_zone = {card.get("availabilityZone"): card.get("privateIpAddress") for card in mine}
    regional, zonal, private = names_of(item)
    case.equal(f"{when}: number of names of {name}", (len(regional), len(zonal), bool(private)),
               (1, len(book["subnets"]), book["private"]))
    inside = f"{client.block}.200.9"
    for owner in regional:
        case.equal(f"{when}: {owner}", server.addresses(owner), ("NOERROR", sorted(by_zone.values())))
    for owner in zonal:
        zone = owner.split(".")[0].split("-", 3)[3]
        case.equal(f"{when}: {owner}", server.addresses(owner), ("NOERROR", [by_zone.get(zone)]))
    for owner in private:
        case.equal(f"{when}: {owner} in {client.vpc}", server.addresses(owner, inside),
                   ("NOERROR", sorted(by_zone.values())))
    client.names[name] = regional + zonal


def dns_of_the_gone(case, server, client, when):
    """The names of deleted endpoints do not exist any more; private names that no endpoint has do not answer."""
    for name in list(client.gone)[-20:]:
        for owner in client.names.get(name, []):
            case.equal(f"{when}: {owner}, of deleted {name}", server.addresses(owner), ("NXDOMAIN", []))
    private = {book["service"] for book in client.alive.values() if book["private"]}
    for service in SERVICES:
        if service not in private:
            _, found = server.addresses(f"{service}.us-east-1.amazonaws.com", f"{client.block}.200.9")
            case.equal(f"{when}: private name of {service} in {client.vpc}, which no endpoint has", found, [])
