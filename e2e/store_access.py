"""etcd with TLS, client certificates, users and passwords: who may, may; who may not is told why, and no secret shows.

Three members with `--client-cert-auth`, whose tokens end after seconds, and `auth enable`. A user of the role for the prefix signs
in by password, another by the name in its certificate. Tokens end, members start anew, roles and the password change.
"""

import re
import time

from support.case import clean_env, stop, wait_for
from support.ec2 import Ec2Error, Ec2Server, make_vpc
from support.etcd import Cluster
from support.server import free_port

PASSWORD, NEXT = "correct horse battery", "staple-staple-staple"
FILES = ("--store-ca", "ca.pem", "--store-cert", "client.pem", "--store-key", "client.key")


def run(case):
    case.need("etcd", "etcdctl", "openssl")
    certificates(case)
    cluster = start_etcd(case)
    user_url = cluster.url.replace("etcds://", "etcds://dns@")
    case.write("password", f"{PASSWORD}\n").chmod(0o600)
    refusals(case, cluster, user_url)
    with_password = ("--store", user_url, *FILES, "--store-password", "password")
    by_name = ("--store", cluster.url, "--store-ca", "ca.pem", "--store-cert", "named.pem", "--store-key", "named.key")
    a, b = (Ec2Server(case, *flags, state=name, http=True, env={"VPCEDNS_SOCKET": f"{name}.sock"})
            for name, flags in (("a", with_password), ("b", by_name)))
    for check in (shared, tokens_end, members_start_anew, roles_change, password_changes):
        check(case, cluster, a, b)
        shared(case, cluster, a, b)
    shown = "".join(log.read_text(errors="replace") for log in case.dir.glob("serve-*.log")) + a.get("/metrics")[1]
    shown += "".join(open(f"/proc/{server.process.pid}/cmdline", encoding="utf-8").read() for server in (a, b))
    case.check(PASSWORD not in shown and NEXT not in shown, "the password shows")


def certificates(case):
    """An authority, certificates of members, of a client, and of a client whose name is a user of etcd."""
    authority = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    for name, subject in (("ca", "authority"), ("other", "another authority")):
        case.run("openssl", "req", "-x509", *authority, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2", "-subj", f"/CN={subject}")
    for name, subject in (("member", "member"), ("client", "nobody"), ("named", "named")):
        case.run("openssl", "req", "-new", *authority, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={subject}")
        extensions = case.write(f"{name}.ext", "subjectAltName=IP:127.0.0.1\n" if name == "member" else "extendedKeyUsage=clientAuth\n")
        case.run("openssl", "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                 "-extfile", extensions, "-out", f"{name}.pem")
    case.run("openssl", "genrsa", "-out", "token.key", "2048")
    case.run("openssl", "rsa", "-in", "token.key", "-pubout", "-out", "token.pem")


def start_etcd(case):
    """Members that want certificates and users."""
    cluster = Cluster(
        case, encrypted=True, client=("--cacert", "ca.pem", "--cert", "client.pem", "--key", "client.key"),
        flags=("--cert-file", "member.pem", "--key-file", "member.key", "--trusted-ca-file", "ca.pem", "--client-cert-auth",
               "--auth-token", "jwt,pub-key=token.pem,priv-key=token.key,sign-method=RS256,ttl=2s"))
    for words in (("user", "add", "root:root"), ("user", "grant-role", "root", "root"), ("role", "add", "dns"),
                  ("role", "grant-permission", "dns", "--prefix=true", "readwrite", "/vpcedns/"),
                  ("user", "add", f"dns:{PASSWORD}"), ("user", "grant-role", "dns", "dns"),
                  ("user", "add", "named:unused"), ("user", "grant-role", "named", "dns"), ("auth", "enable")):
        cluster.ctl(*words)
    cluster.client += ("--user", "root:root")
    return cluster


def refusals(case, cluster, user_url):
    """Starts that fail, what they say, and that they do not wait where waiting helps nothing."""
    case.write("wrong", "wrong\n").chmod(0o600)
    case.write("open", f"{PASSWORD}\n").chmod(0o644)
    known = ("--store-ca", "ca.pem")
    for flags, said in (
            (("--store", cluster.url.replace("etcds", "etcd")), "etcd does not answer|etcd cannot be reached"),
            (("--store", cluster.url), "certificate|UnknownIssuer"),
            (("--store", cluster.url, "--store-ca", "other.pem"), "UnknownIssuer|invalid peer certificate"),
            (("--store", cluster.url, *known), "[Cc]ertificate"),
            (("--store", cluster.url, *FILES), "permission denied|user name is empty|invalid user|not found"),
            (("--store", user_url, *FILES, "--store-password", "wrong"), "authentication failed"),
            (("--store", user_url, *FILES, "--store-password", "open"), "can be read by other users"),
            (("--store", user_url, *FILES), "names a user without a password"),
            (("--store", user_url.replace("dns@", f"dns:{PASSWORD}@")), "has a password in it"),
            (("--store", user_url.replace("/vpcedns", "/elsewhere"), *FILES, "--store-password", "password"), "permission denied")):
        begin = time.monotonic()
        process = case.start(case.binary, "serve", "--listen", f"127.0.0.1:{free_port()}", "--forward", "none", "--ec2-state", "refused",
                             *flags, log="refused.log", env={**clean_env(), "VPCEDNS_SOCKET": "refused.sock"})
        try:
            process.wait(25)
        finally:
            stop(process)
        text = (case.dir / "refused.log").read_text()
        (case.dir / "refused.log").unlink()
        case.check(process.returncode not in (0, -15) and re.search(said, text), f"{flags}: exit {process.returncode}", text)
        case.check(PASSWORD not in text, "the password is printed", text)
        if "authentication" in said:
            case.check(time.monotonic() - begin < 8, "a wrong password is tried again and again")


def shared(case, _cluster, a, b):
    """What the one is told the other has."""
    for one, other in ((a, b), (b, a)):
        with one.raw() as raw, other.raw() as elsewhere:
            deadline = time.monotonic() + 20
            while True:
                try:
                    vpc = make_vpc(raw, "10.0.0.0/16", hostnames=False)
                    break
                except Ec2Error as error:
                    # members that start anew take their time, and a call is told so
                    if error.code != "Unavailable" or time.monotonic() > deadline:
                        raise
            wait_for("the other server to have it", lambda: vpc in {item["vpcId"] for item in elsewhere.all("DescribeVpcs")})
    for server in (a, b):
        wait_for("readiness", lambda server=server: "failing" not in server.get("/readyz")[1], 30)


def tokens_end(case, _cluster, a, _b):
    """A token that has ended is no reason to refuse a call."""
    with a.raw() as raw:
        for _ in range(6):
            time.sleep(0.6)
            make_vpc(raw, "10.1.0.0/16", hostnames=False)


def members_start_anew(case, cluster, a, b):
    """All members end and start again."""
    for number in range(3):
        cluster.kill(number)
    for number in range(3):
        cluster.restart(number)
    wait_for("etcd to elect", lambda: cluster.ctl("endpoint", "health", check=False).returncode == 0, 30)


def roles_change(case, cluster, a, b):
    """What was granted is granted anew: tokens of before are of an old revision."""
    cluster.ctl("user", "revoke-role", "dns", "dns")
    with a.raw() as raw:
        error = raw.error("CreateVpc", CidrBlock="10.2.0.0/16")
        case.check(error and error.code == "Unavailable" and "permission denied" in error.text, "a call without a role", str(error))
    cluster.ctl("user", "grant-role", "dns", "dns")


def password_changes(case, cluster, a, b):
    """A password that is changed in etcd and in the file is used from the next connection on."""
    cluster.ctl("user", "passwd", "dns", "--interactive=false", input_text=NEXT)
    case.write("password", NEXT).chmod(0o600)
    members_start_anew(case, cluster, a, b)
