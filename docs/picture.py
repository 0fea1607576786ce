#!/usr/bin/env python3
"""Makes docs/picture.png, the picture of the README: dig, explain and the web page, out of what the program says.

    docs/picture.py [BINARY]     target/release/vpcedns unless another is named

Needs dig, chromium, chromedriver and selenium (e2e/requirements.txt).
"""

import base64
import html
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "e2e"), str(ROOT / "target/e2e-python")]

from support.server import free_port  # noqa: E402

PICTURE, MOST_OCTETS = ROOT / "docs/picture.png", 200_000
NAME = "ec2.us-east-1.amazonaws.com"
# GitHub shows a README 830 to 1,010 pixels wide: letters are that size there
WIDTH, PAGE, SCALE = 940, (1180, 484), 1.2
LAYOUT = """<!doctype html><meta charset="utf-8"><style>
body { margin: 0; padding: 14px; width: %(inner)dpx; background: #eef1f5; font: 12.4px/1.5 "DejaVu Sans Mono", monospace; color: #1b2430; }
pre { margin: 0 0 12px; padding: 12px 16px; background: #fff; border: 1px solid #d3d9e1; border-radius: 10px; white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; }
b { color: #1f5f8b; font-weight: 600; } i { color: #566272; font-style: normal; }
img { display: block; width: 100%%; border: 1px solid #d3d9e1; border-radius: 10px; }
</style>%(shell)s<img src="data:image/png;base64,%(page)s">"""


def main():
    binary = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/release/vpcedns").resolve()
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(ROOT / "zones", Path(scratch) / "zones")
        at, http = free_port(), free_port()
        serve = [binary, "serve", "--listen", f"127.0.0.1:{at}", "--http", f"127.0.0.1:{http}", "--forward", "none", "--ready-json"]
        server = subprocess.Popen(serve, cwd=scratch, env=clean(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            server.stdout.readline()
            shell = "".join(f"<pre>{part}</pre>" for part in (digs(scratch, at), explained(scratch, binary)))
            write(shell, f"http://127.0.0.1:{http}/", scratch)
        finally:
            server.terminate()
            server.wait()
    size = PICTURE.stat().st_size
    print(f"{PICTURE.relative_to(ROOT)}: {size} octets")
    return 0 if size <= MOST_OCTETS else f"it has more than {MOST_OCTETS}"


def clean():
    return {key: value for key, value in os.environ.items() if not key.startswith("VPCEDNS_")}


def said(scratch, *command):
    done = subprocess.run([str(word) for word in command], cwd=scratch, env=clean(), check=True, capture_output=True, text=True, timeout=60)
    return html.escape(done.stdout.strip())


def digs(scratch, at):
    """What two clients get for one name, each with a title."""
    lines = []
    for source, whose, name in (("127.0.1.5", "a client of the VPC with the endpoint", NAME), ("127.0.2.5", "a client of another VPC", "api.partner.example")):
        shown = f"dig @127.0.0.1 -p 5300 -b {source} +noall +answer {name}"
        answer = said(scratch, "dig", "@127.0.0.1", "-p", at, "-b", source, "+noall", "+answer", name)
        lines += [f"<i># {whose}</i>", f"$ <b>{shown}</b>", answer]
    return "\n".join(lines)


def explained(scratch, binary):
    command = f"vpcedns explain {NAME} AAAA --from 127.0.1.5"
    return f"$ <b>{command}</b>\n" + said(scratch, binary, *command.split()[1:])


def write(shell, url, scratch):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
                 "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", f"--user-data-dir={scratch}/chromium"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        look(driver, *PAGE, scale=SCALE * WIDTH / PAGE[0])
        driver.get(url)
        driver.set_script_timeout(20)
        driver.execute_async_script("""const done = arguments[0];
          (function wait() { document.querySelectorAll('[role=gridcell]').length > 4 ? setTimeout(done, 400) : setTimeout(wait, 20) })()""")
        page = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
        look(driver, WIDTH, 600, SCALE)
        layout = Path(scratch) / "layout.html"
        layout.write_text(LAYOUT % {"inner": WIDTH - 28, "shell": shell, "page": page})
        driver.get(layout.as_uri())
        height = driver.execute_script("return document.documentElement.scrollHeight")
        look(driver, WIDTH, height, SCALE)
        picture = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "optimizeForSpeed": False})["data"]
        PICTURE.write_bytes(base64.b64decode(picture))
    finally:
        driver.quit()


def look(driver, width, height, scale):
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "light"}]})
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False})


if __name__ == "__main__":
    sys.exit(main())
