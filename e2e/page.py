"""The page at / in headless Chromium: matrix, details, endpoints, explain, sources, keys; 10,000 endpoints; axe; an attack by data."""

import json
import os
import shutil
import sys
import time
import urllib.parse

from support import zones
from support.case import ROOT, Failure, Skip
from support.server import Server

sys.path.insert(0, str(ROOT / "target" / "e2e-python"))
EVIL = "<img src=x onerror=window.hacked=1>"
SHOWN_MS, FILTERED_MS, NODES = 1000, 100, 2000
ROUNDS = 3
COUNT_NODES = "let n=0; const w=document.createTreeWalker(document, NodeFilter.SHOW_ALL); while (w.nextNode()) n++; return n"
# when the first row was in the document, in milliseconds since the navigation began
WATCH = """new MutationObserver((_, me) => { if (document.querySelector('[data-row]')) {
  me.disconnect(); requestAnimationFrame(() => { window.shown = performance.now(); }); } }).observe(document, {childList: true, subtree: true})"""
FILTER = """const [field, text, count, done] = [...arguments]; const shown = document.getElementById(count), before = shown.textContent, begin = performance.now();
  const look = () => shown.textContent === before ? setTimeout(look, 1) : requestAnimationFrame(() => done(performance.now() - begin));
  const input = document.getElementById(field); input.value = text; input.dispatchEvent(new Event('input')); look()"""


def run(case):
    case.need("chromium", "chromedriver")
    try:
        from axe_selenium_python import Axe
        from selenium import webdriver  # noqa: F401
    except ImportError as error:
        raise Skip(f"no {error.name}: e2e/requirements.txt") from None
    attack, large = scene(case), estate(case)
    browser = Browser(case)
    example(case, browser, Axe)
    attacked(case, browser, attack)
    sizes(case, browser, large)
    browser.clean()


class Browser:
    """Chromium that reaches loopback addresses only, and notes what it asks for and complains of."""

    def __init__(self, case):
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                     "--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", f"--user-data-dir={case.dir / 'chromium'}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.case = case
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        case.finally_do(self.driver.quit)
        self.driver.set_script_timeout(30)
        self.cdp("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        self.look()

    def cdp(self, command, **parameters):
        return self.driver.execute_cdp_cmd(command, parameters)

    def look(self, scheme="light", width=1280, height=900):
        """Sets colours and size."""
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def open(self, server, section="names"):
        self.driver.get("about:blank")
        self.driver.get(f"{server.http}/#/{section}")

    def close(self, server):
        """Leaves the page before its server ends, which it would complain of."""
        self.driver.get("about:blank")
        server.stop()

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def text(self, element):
        return self.js("return document.getElementById(arguments[0]).innerText", element)

    def until(self, what, script, seconds=10):
        """Waits until `script` returns something true."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if value := self.js(script):
                return value
            time.sleep(0.02)
        raise Failure(f"the page never came to this: {what}\n{self.js('return document.body.innerText')}")

    def keys(self, *keys):
        from selenium.webdriver.common.action_chains import ActionChains
        ActionChains(self.driver).send_keys(*keys).perform()

    def picture(self, name):
        """Keeps a picture where E2E_PICTURES says."""
        if directory := os.environ.get("E2E_PICTURES"):
            self.driver.save_screenshot(f"{directory}/{name}.png")

    def clean(self):
        """Nothing was asked of another host, and nothing was complained of, the policy's violations included."""
        urls = [message["params"]["request"]["url"] for entry in self.driver.get_log("performance")
                if (message := json.loads(entry["message"])["message"])["method"] == "Network.requestWillBeSent"]
        # the browser's own pages come out of the browser
        urls = [url for url in urls if urllib.parse.urlsplit(url).scheme in ("http", "https", "ws", "wss", "ftp")]
        self.case.check(len(urls) > 30, "requests are seen", urls)
        foreign = [url for url in urls if urllib.parse.urlsplit(url).hostname not in ("127.0.0.1", None)]
        self.case.equal("requests to other hosts", foreign, [])
        # answers that are errors are what the test asks for
        said = [entry["message"] for entry in self.driver.get_log("browser") if "responded with a status of 400" not in entry["message"]]
        self.case.equal("complaints of the browser", said, [])


def example(case, browser, axe):
    """Each section on the example zones, by eye of a script, by keys and by axe."""
    from selenium.webdriver.common.keys import Keys
    server = Server(case, zones=ROOT / "zones", http=True)
    browser.open(server)
    browser.until("the matrix", "return document.querySelectorAll('[role=gridcell]').length > 4")
    report = json.loads(server.get("/v1/report?limit=1000")[1])
    printed = json.loads(case.run(case.binary, "report", "--zones", ROOT / "zones", "--forward", "none", "--json"))["rows"]
    case.check(report["rows"] == printed, "/v1/report and the command differ")
    words = {"PRIVATE": "Private", "PUBLIC": "Public", "OFF": "Off"}
    wanted = {(name["name"], row["vpc_id"]): "No endpoint" if any(c["reason"] == "not-in-vpc" for c in name["causes"]) else words[name["status"]]
              for row in printed for name in row["names"]}
    shown = browser.js("""const vpcs = [...document.querySelectorAll('.vpc .mono')].map(e => e.textContent);
      return [...document.querySelectorAll('.row:not(.head)')].flatMap(row => [...row.querySelectorAll('[data-row]')].map(
        (cell, n) => [row.querySelector('.name').textContent, vpcs[n], cell.textContent.slice(2)]))""")
    shown = {(name, vpc): word for name, vpc, word in shown if word}
    case.equal("cells that differ from the report", [(key, word, wanted.get(key)) for key, word in shown.items() if wanted.get(key) != word], [])
    case.check(len(shown) >= 6, "cells of the matrix", shown)
    # keys: / searches, Tab goes on, arrows move, Enter says why, Escape closes
    browser.keys("/")
    browser.keys("ec2.us-east-1.am")
    browser.until("a search", "return document.querySelectorAll('.row:not(.head)').length === 1")
    case.check("1 of " in browser.text("names-count"), "how many match", browser.text("names-count"))
    browser.keys(*[Keys.TAB] * 3)
    browser.until("focus in the grid", "return document.activeElement.role === 'gridcell'")
    browser.keys(Keys.ARROW_RIGHT)
    case.equal("an arrow moves", browser.js("return document.activeElement.dataset.column"), "1")
    browser.keys(Keys.ARROW_LEFT, Keys.ENTER)
    browser.until("details", "return document.getElementById('detail').open")
    case.check("ec2.us-east-1.amazonaws.com" in browser.text("detail-body"), "details", browser.text("detail-body"))
    audit(case, browser, axe, "detail", reset=None)
    browser.keys(Keys.ESCAPE)
    browser.until("details gone", "return !document.getElementById('detail').open")
    case.equal("focus is back", browser.js("return document.activeElement.role"), "gridcell")
    explain(case, browser, server, Keys)
    browser.open(server, "endpoints")
    browser.until("endpoints", "return document.querySelectorAll('#endpoints-table tbody tr').length > 2")
    listed = json.loads(server.get("/v1/endpoints")[1])
    rows = browser.js("return [...document.querySelectorAll('#endpoints-table tbody tr')].map(r => [r.cells[0].innerText, r.cells[1].innerText.slice(2)])")
    case.equal("endpoints and states", rows, [[each["vpc_endpoint_id"], each["state"]] for each in listed["endpoints"]])
    browser.open(server, "live")
    for _ in range(200):
        server.ask("ec2.us-east-1.amazonaws.com", source="127.0.1.5")
    browser.until("rates", "return [...document.querySelectorAll('#rates .value')].some(e => /^[1-9]/.test(e.innerText))")
    browser.until("latencies", "return /≤/.test(document.getElementById('rates').innerText)")
    drills(case, browser, server)
    for section in ("names", "endpoints", "explain?name=ec2.us-east-1.amazonaws.com&from=127.0.1.5", "sources", "drills", "live"):
        audit(case, browser, axe, section, reset=server)
    case.run(case.binary, "drill", "end", "--all")
    browser.open(server, "drills")
    browser.until("no drill", "return /No drill is under way/.test(document.getElementById('drills').textContent)")
    browser.until("all is well", "return !/drill/.test(document.getElementById('health').textContent)")
    case.equal("the count of drills", browser.text("drill-count"), "")
    # what says that it takes HTML gets the page, and a script the routes
    case.check(server.get("/")[1].startswith("vpcedns\n"), "/ for scripts", server.get("/"))
    bad = server.get("/v1/report?status=purple")
    case.check(bad[0] == 400 and "try private, public or off" in bad[1], "a wrong status", bad)
    browser.close(server)


def drills(case, browser, server):
    """A drill is shown while it runs: what is at fault, for whom, how long, and how it ends."""
    browser.open(server, "drills")
    browser.until("no drill", "return /No drill is under way/.test(document.getElementById('drills').textContent)")
    case.run(case.binary, "drill", "zone", "us-east-1a", "--vpc", "vpc-ec43eb89", "--for", "10m")
    case.run(case.binary, "drill", "name", "*.example.com", "--delay", "250", "--client", "127.0.1.0/24", "--for", "1h")
    browser.until("two drills", "return document.querySelectorAll('#drills .card').length === 2")
    first, second = browser.js("return [...document.querySelectorAll('#drills .card')].map(e => e.innerText)")
    for part in ("us-east-1a", "down, ", " min left", "For vpc-ec43eb89", "vpcedns drill end 1"):
        case.check(part in first, f"the first drill has no {part}", first)
    for part in ("*.example.com", "delayed by 250 ms", "For clients in 127.0.1.0/24", "vpcedns drill end 2"):
        case.check(part in second, f"the second drill has no {part}", second)
    case.equal("the count of drills", browser.text("drill-count").strip(), "2")
    case.check("2 drills under way" in browser.text("health"), "the head says so", browser.text("health"))


def explain(case, browser, server, keys):
    """The form, by keys, gives what /v1/explain says."""
    browser.open(server, "explain")
    browser.keys("/")
    browser.keys("ec2.us-east-1.amazonaws.com", keys.TAB, "AAAA", keys.TAB, "127.0.1.5", keys.ENTER)
    browser.until("an explanation", "return document.querySelectorAll('#explained li').length > 2")
    said = json.loads(server.get("/v1/explain?name=ec2.us-east-1.amazonaws.com&type=AAAA&from=127.0.1.5")[1])
    case.equal("its steps", browser.js("return [...document.querySelectorAll('#explained ol li')].map(e => e.textContent)"), said["steps"])
    browser.open(server, "explain?name=a..b")
    browser.until("an error", "return !document.getElementById('trouble').hidden")
    case.check("a..b" in browser.text("trouble"), "the error of a name", browser.text("trouble"))


def audit(case, browser, axe, section, reset):
    """axe finds nothing in light, dark and at 390 pixels; no section is wider than the window."""
    name = section.split("?")[0]
    for look, scheme, width, height in (("light", "light", 1280, 900), ("dark", "dark", 1280, 900), ("phone", "light", 390, 844), ("phone-dark", "dark", 390, 844)):
        browser.look(scheme, width, height)
        if reset:
            browser.open(reset, section)
            browser.until(name, f"return !document.getElementById('s-{name}').hidden && document.getElementById('facts').textContent")
        time.sleep(0.3)  # colours change in 0.12 s; what axe sees is what stays
        browser.picture(f"{name}-{look}")
        checker = axe(browser.driver)
        checker.inject()
        result = checker.run()
        found = [f"{each['id']}: {node['html'][:160]} {node['failureSummary'][:300]}" for each in result["violations"] for node in each["nodes"][:3]]
        case.check(len(result["passes"]) > 8, "axe has looked", result["passes"])
        case.equal(f"axe, {name}, {look}", found, [])
        wide = browser.js("return document.documentElement.scrollWidth - window.innerWidth")
        case.check(wide <= 0, f"{name}, {look}: {wide} pixels wider than the window")
    browser.look()


def scene(case):
    """Zones whose broken file, its name, keys and values are markup."""
    directory = case.dir / "evil"
    shutil.copytree(ROOT / "zones", directory)
    (directory / "named.toml").write_text(zones.table("vpc_endpoint_service", service_name="com.amazonaws.vpce.us-east-1.vpce-svc-0e123abc123198abd",
                                                      private_dns_names=[f"{EVIL}.example", "<script>window.hacked=1</script>.example"]))
    return directory


def attacked(case, browser, directory):
    """Markup in names of files, keys, values, questions and searches is text."""
    # a name that holds markup may be refused; then the refusal is shown
    if case.run(case.binary, "check", "--zones", directory, check=False).returncode:
        (directory / "named.toml").unlink()
    server = Server(case, zones=directory, http=True)
    (directory / f"{EVIL}.toml").write_text(f"[[vpc]]\nvpc_id = \"{EVIL}\"\n\"<script>window.hacked=1<\\u002fscript>\" = 1\nregion = \"{EVIL}\"\n")
    (directory / "service.toml").write_text(zones.table("vpc_endpoint_service", service_name=f"com.amazonaws.us-east-1.{EVIL}", private_dns_names=[EVIL]))
    browser.open(server, "sources")
    browser.until("a failing source", "return document.getElementById('sources').innerText.includes('onerror')", 20)
    shown = browser.text("sources")
    for part in (f"{EVIL}.toml", "<script>", "failing"):
        case.check(part in shown, f"the problem has {part}", shown)
    browser.until("the state in the head", "return /load failed/.test(document.getElementById('health').textContent)")
    browser.picture("sources-failing")
    for place in (f"explain?name={urllib.parse.quote(EVIL)}&from={urllib.parse.quote(EVIL)}&type={urllib.parse.quote(EVIL)}", f"explain?name={urllib.parse.quote(EVIL)}", f"{EVIL}", "names"):
        browser.open(server, place)
        browser.until("the page", "return document.getElementById('facts').textContent")
    for field in ("names-word", "names-vpc"):
        browser.js("const e = document.getElementById(arguments[0]); e.value = arguments[1]; e.dispatchEvent(new Event('input'))", field, EVIL)
    case.equal("elements made of data", browser.js("return document.querySelectorAll('main img, main script, dialog img').length"), 0)
    case.equal("scripts of data that ran", browser.js("return window.hacked ?? null"), None)
    # were data ever taken for markup, the policy would still refuse it
    refused = browser.js("try { document.body.innerHTML = arguments[0]; return 'taken' } catch (e) { return e.name }", EVIL)
    case.equal("markup by a script", refused, "TypeError")
    # that complaint was this test's
    said = [entry["message"] for entry in browser.driver.get_log("browser")]
    odd = [line for line in said if "TrustedHTML" not in line and "responded with a status of 400" not in line]
    case.equal("complaints of the browser under attack", odd, [])
    browser.close(server)


def estate(case):
    """1,000 VPCs with ten endpoints each."""
    services = ("ec2", "sts", "sqs", "sns", "logs", "kms", "ssm", "monitoring", "secretsmanager", "lambda")
    text = []
    for number in range(1000):
        vpc, subnet = f"vpc-{number:017x}", f"subnet-{number:017x}"
        block = f"10.{number // 250}.{number % 250}"
        text += [zones.vpc(vpc, f"{block}.0/24"), zones.subnet(subnet, vpc, "a", f"{block}.0/24")]
        text += [zones.endpoint(f"vpce-{number * 10 + each:017x}", vpc, service, f"{number * 10 + each:08d}", [(subnet, f"{block}.{each + 10}")],
                                **({"state": "pendingAcceptance"} if (number + each) % 97 == 0 else {})) for each, service in enumerate(services)]
    return case.write("large/estate.toml", "".join(text)).parent


def matrix_shown(browser, server):
    """Milliseconds from the beginning of the page to its matrix."""
    browser.open(server)
    return browser.until("the matrix", "return window.shown", 30)


def sizes(case, browser, directory):
    """Shown within 1 s, filtered within 100 ms, 2,000 nodes at most: 10,000 endpoints in 1,000 VPCs."""
    server = Server(case, zones=directory, http=True)
    # other work on this machine makes one of them slow, and not each
    shown = min(matrix_shown(browser, server) for _ in range(ROUNDS))
    filtered = {}

    def filter_by(field, text, count):
        took = browser.driver.execute_async_script(FILTER, field, text, count)
        filtered[f"{field}={text}"] = min(took, filtered.get(f"{field}={text}", took))
        nodes.append(browser.js(COUNT_NODES))

    nodes = [browser.js(COUNT_NODES)]
    case.check(" names in 1,000 VPCs" in browser.text("names-count"), "how much there is", browser.text("names-count"))
    browser.picture("names-large")
    for field, text in ROUNDS * (("names-vpc", "vpc-0000000000000002"), ("names-vpc", ""), ("names-word", "sns.us"), ("names-word", "secrets"), ("names-word", "")):
        filter_by(field, text, "names-count")
    browser.js("const g = document.getElementById('grid'); g.scrollLeft = g.scrollWidth")
    browser.until("the last VPC", "return [...document.querySelectorAll('.vpc .mono')].some(e => e.textContent === 'vpc-000000000000003e7')")
    nodes.append(browser.js(COUNT_NODES))
    browser.open(server, "endpoints")
    browser.until("endpoints", "return document.querySelectorAll('#endpoints-table tbody tr').length === 50")
    case.check("1 to 50 of 10,000 endpoints" in browser.text("endpoints-count"), "how many endpoints", browser.text("endpoints-count"))
    nodes.append(browser.js(COUNT_NODES))
    for text in ROUNDS * ("secrets", "10.3.7.1", "vpce-0000000000000270f", ""):
        filter_by("endpoints-word", text, "endpoints-count")
    browser.picture("endpoints-large")
    slowest = max(filtered, key=filtered.get)
    case.note(f"10,000 endpoints: shown in {shown:.0f} ms, filtered in {filtered[slowest]:.0f} ms at most ({slowest}), {max(nodes)} nodes at most")
    # the figures are promises of what is shipped; a debug binary takes ten times as long to make the report
    if "debug" not in case.binary.parts:
        case.check(shown <= SHOWN_MS, f"shown in {shown:.0f} ms")
        case.check(filtered[slowest] <= FILTERED_MS, f"filtered in {filtered[slowest]:.0f} ms ({slowest})", filtered)
    case.check(max(nodes) <= NODES, f"{max(nodes)} nodes")
    # what is asked for too much of is bounded
    page = json.loads(server.get("/v1/endpoints?limit=999999")[1])
    case.equal("endpoints of a page at most", (len(page["endpoints"]), page["total"]), (1000, 10000))
    page = json.loads(server.get("/v1/report?limit=999999&status=off")[1])
    case.check(len(page["rows"]) <= 1000 and all(row["status"] == "OFF" for row in page["rows"]), "rows of a page at most", len(page["rows"]))
    browser.close(server)
