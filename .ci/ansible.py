"""Installs Ansible for e2e/ec2_ansible.py: ansible-core, and of the collections only those that the test calls.

    python3 .ci/ansible.py DIRECTORY

The package `ansible` holds a hundred collections in 20,000 files, and pip takes minutes to write and compile them. Its wheel
is downloaded, and three folders of it are unpacked. The wheel says which ansible-core it was made for.
"""

import email
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

# the modules under test, and the callback that prints a play's results as JSON
COLLECTIONS = ("amazon/aws", "ansible/posix")
REQUIREMENTS = Path(__file__).resolve().parents[1] / "e2e" / "requirements-ansible.txt"
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


def main():
    directory, begin = Path(sys.argv[1]), time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run([*PIP, "download", "--no-deps", "--dest", scratch, "-r", REQUIREMENTS], check=True)
        (wheel,) = Path(scratch).glob("ansible-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            core = core_of(archive)
            subprocess.run([*PIP, "install", "--root-user-action=ignore", "--target", directory, "--upgrade", core], check=True)
            # last, as it tells that the installation is whole
            for collection in COLLECTIONS:
                folder = f"ansible_collections/{collection}/"
                archive.extractall(directory, [name for name in archive.namelist() if name.startswith(folder)])
    print(f"{core} and {', '.join(name.replace('/', '.') for name in COLLECTIONS)}: {time.monotonic() - begin:.0f} s")


def core_of(archive):
    """The requirement of ansible-core in the wheel's metadata: `ansible-core~=2.19.5`."""
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA") and name.count("/") == 1)
    wanted = email.message_from_bytes(archive.read(name)).get_all("Requires-Dist")
    return next(line for line in wanted if line.startswith("ansible-core"))


main()
