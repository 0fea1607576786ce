"""NSD on a loopback port."""

from .server import free_port


def start(case, name, zones, more=""):
    """Starts NSD in the directory `name` with `zones` as its configuration has them, `more` behind what the server itself needs;
    returns the process and its address."""
    directory, port = case.dir / name, free_port()
    config = f"""server:
  ip-address: 127.0.0.1@{port}
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "{directory}"
  pidfile: "{directory}/nsd.pid"
  xfrdfile: "{directory}/xfrd.state"
  xfrdir: "{directory}"
  zonelistfile: "{directory}/zone.list"
  database: ""
  minimal-responses: yes
  rrl-ratelimit: 0
  xfrd-reload-timeout: 0
  verbosity: 1
remote-control:
  control-enable: no
"""
    process = case.start("nsd", "-d", "-c", case.write(f"{name}/nsd.conf", config + more + zones), log=f"{name}.log")
    return process, ("127.0.0.1", port)
