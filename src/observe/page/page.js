// The page: sections by the fragment of the URL, the state of the server every two seconds, and what each section reads.
import { age, by, count, fill, make, number, read, say } from "./element.js";
import { load, matrix, refocus } from "./matrix.js";
import { live, sample } from "./live.js";

const SECTIONS = ["names", "endpoints", "explain", "sources", "drills", "live"];
const PAGE = 50;
let generation = null, section = "", offset = 0, asking = null, troubled = "";

/** Runs `work`, and shows what went wrong until work of the same kind has gone well, or another section is shown. */
async function tell(work, kind = "section") {
  try {
    await work();
    clear(kind);
  } catch (fault) {
    if (fault.name === "AbortError") return;
    troubled = kind;
    const reached = !(fault instanceof TypeError);
    say(by("trouble"), reached ? fault.message : "The server does not answer. What is shown is what it said last.");
    by("trouble").hidden = false;
  }
}

function clear(kind) {
  if (troubled === kind) by("trouble").hidden = true;
}

function show() {
  clear("section");
  const [wanted, query] = location.hash.replace(/^#\/?/, "").split("?");
  section = SECTIONS.includes(wanted) ? wanted : "names";
  for (const name of SECTIONS) by(`s-${name}`).hidden = name !== section;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#/${section}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${document.querySelector(`#s-${section} h2`).textContent} · vpcedns`;
  const given = new URLSearchParams(query);
  if (section === "endpoints") tell(endpoints);
  if (section === "sources") tell(sources);
  if (section === "explain" && given.get("name")) {
    for (const key of ["name", "type", "from"]) by(`explain-${key}`).value = given.get(key) ?? (key === "type" ? "A" : "");
    tell(explain);
  }
}

async function tick() {
  await tell(async () => {
    const [status, metrics] = await Promise.all([read("/v1/status"), read("/metrics")]);
    sample(status, metrics);
    const bad = status.draining ? "Draining" : status.errors ? "The last load failed: older data is served"
      : status.sources.some((source) => !source.good) ? "A source is failing: its last good state is served"
        : status.drills.length ? `Serving, ${count(status.drills.length, "drill")} under way` : "";
    by("health").className = `health ${bad ? "bad" : "good"}`;
    say(by("health"), bad || (status.warnings ? `Serving, ${count(status.warnings, "warning")}` : "Serving, all is well"));
    say(by("facts"), `generation ${number(status.generation)} · ${count(status.endpoints, "endpoint")} · ${count(status.vpcs, "VPC")} · up ${age(status.uptime_ms / 1000)}`);
    if (status.generation !== generation) {
      await load();
      generation = status.generation;
      if (section === "endpoints") await endpoints();
    }
    if (section === "sources") await sources();
    drills(status.drills);
    if (section === "live") live(status);
  }, "state");
  setTimeout(tick, document.hidden ? 10_000 : 2000);
}

async function detail(name, vpc) {
  const page = await read("/v1/report", { vpc: vpc.vpc_id, word: name.service_name, limit: 1000 });
  const row = page.rows.find((each) => each.service_name === name.service_name);
  if (!row) throw new Error("That is no longer in the report: a change came between.");
  const one = row.names.find((each) => each.name === name.name) ?? { ...row, name: "", rule: row.why };
  const title = make("h2", "name", one.name || row.service_name);
  title.id = "detail-title";
  const shown = [title, make("p", "sub", `${row.service_name} in ${row.vpc_id}, ${vpc.region}`)];
  const word = { PRIVATE: ["P", "● Private"], PUBLIC: ["U", "○ Public"], OFF: ["O", "▲ Off"] }[one.status];
  shown.push(make("p", `verdict ${word[0]}`, word[1]), make("p", "", one.rule));
  for (const cause of one.causes) {
    shown.push(make("div", "card", make("h3", "", cause.why), make("span", "remedy", `To do: ${cause.remedy}`)));
  }
  if (row.vpc_endpoint_ids.length) shown.push(make("p", "mono", row.vpc_endpoint_ids.join(" ")));
  if (one.name) {
    const link = make("a", "", "Explain the answer step by step");
    link.href = `#/explain?${new URLSearchParams({ name: one.name.replace("*", "example"), from: row.vpc_id })}`;
    link.addEventListener("click", () => by("detail").close());
    shown.push(make("p", "", link));
  }
  fill(by("detail-body"), ...shown);
  by("detail").showModal();
}

async function endpoints() {
  asking?.abort();
  asking = new AbortController();
  const word = by("endpoints-word").value.trim(), state = by("endpoints-state").value;
  const page = await read("/v1/endpoints", { word, state, offset, limit: PAGE }, asking.signal);
  const rows = page.endpoints.map((each) => {
    const good = each.served ? "P" : "O";
    const explained = make("a", "", each.vpc_id);
    explained.href = "#/names";
    explained.addEventListener("click", () => { by("names-vpc").value = each.vpc_id; by("names-vpc").dispatchEvent(new Event("input")); });
    const addresses = each.interfaces.map((card) => make("div", "", make("span", "sub", `${card.availability_zone} `), card.addresses.join(" ")));
    return make("tr", "", make("td", "", each.vpc_endpoint_id), make("td", good, `${each.served ? "●" : "▲"} ${each.state}`), make("td", "", each.service_name),
      make("td", "", explained), make("td", "", each.private_dns_enabled ? "on" : "off"), make("td", "", ...addresses));
  });
  fill(by("endpoints-table").tBodies[0], ...rows);
  const states = Object.entries(page.states), select = by("endpoints-state");
  fill(select, new Option("Any", ""), ...states.map(([each, many]) => new Option(`${each} (${number(many)})`, each)));
  if (state && !page.states[state]) select.append(new Option(`${state} (0)`, state));
  select.value = state;
  const until = offset + rows.length;
  say(by("endpoints-count"), rows.length ? `${number(offset + 1)} to ${number(until)} of ${count(page.total, "endpoint")}` : "0 endpoints match");
  by("endpoints-before").disabled = offset === 0;
  by("endpoints-after").disabled = until >= page.total;
}

async function explain() {
  const [name, type, from] = ["name", "type", "from"].map((key) => by(`explain-${key}`).value.trim());
  fill(by("explained"));
  const said = await read("/v1/explain", { name, type, from });
  const verdict = said.rcode ?? `Asked of ${said.forwarded_to.join(", ") || "nobody"}`;
  const card = make("div", "card", make("p", `verdict ${said.rcode === "NOERROR" ? "P" : ""}`, verdict), make("p", "", said.reason));
  card.append(make("p", "sub", said.vpc ? `Client of ${said.vpc}` : "Client of no VPC"), make("ol", "", ...said.steps.map((step) => make("li", "", step))));
  for (const part of ["answer", "authority"]) {
    if (!said[part].length) continue;
    card.append(make("h3", "", part === "answer" ? "Answer" : "Authority"), make("pre", "", said[part].map((r) => `${r.name} ${r.ttl} ${r.type} ${r.data}`).join("\n")));
  }
  if (said.advice.length) card.append(make("h3", "", "What would make it private"), make("ul", "", ...said.advice.map((line) => make("li", "", line))));
  for (const upstream of said.upstreams ?? []) card.append(make("p", "", `${upstream.upstream}: ${upstream.why}`));
  fill(by("explained"), card);
}

async function sources() {
  const cards = (await read("/v1/sources")).map((source) => {
    const state = source.good ? ["P", "● good"] : source.ready ? ["O", "▲ failing, the last good state is served"] : ["O", "▲ not read yet"];
    const card = make("div", "card", make("h3", "mono", source.source), make("p", state[0], state[1]));
    card.append(make("p", "sub", `Last good ${source.age_seconds === null ? "never" : `${age(source.age_seconds)} ago`}, ${count(source.problem_count, "problem")}`));
    if (source.untold) card.append(make("p", "O", "Some changes are found late, by looking."));
    if (source.half_written) card.append(make("p", "O", `${count(source.half_written, "file")} half written: the last complete content is served.`));
    if (source.problems.length) card.append(make("ul", "", ...source.problems.map((problem) => make("li", problem.error ? "O" : "", problem.text))));
    if (source.problem_count > source.problems.length) card.append(make("p", "sub", `and ${number(source.problem_count - source.problems.length)} more`));
    return card;
  });
  // what a person reads or selects stays as it is while nothing changes
  const next = make("div", "", ...cards);
  if (next.textContent !== by("sources").textContent) fill(by("sources"), ...next.children);
}

function drills(running) {
  say(by("drill-count"), running.length ? ` ${number(running.length)}` : "");
  const cards = running.map((drill) => {
    const fault = { zone: "down", nxdomain: "NXDOMAIN", servfail: "SERVFAIL", delay: `delayed by ${number(drill.delay_ms ?? 0)} ms` }[drill.fault] ?? drill.fault;
    const card = make("div", "card", make("h3", "mono", drill.at), make("p", "O", `▲ ${fault}, ${age(drill.seconds_left)} left`));
    const whom = [...drill.vpcs, ...drill.clients.map((network) => `clients in ${network}`)];
    card.append(make("p", "sub", whom.length ? `For ${whom.join(", ")}` : "For all clients"), make("p", "sub", "To end it now: ", make("code", "", `vpcedns drill end ${drill.id}`)));
    return card;
  });
  const next = make("div", "", ...(cards.length ? cards : [make("p", "", "No drill is under way.")]));
  if (next.textContent !== by("drills").textContent) fill(by("drills"), ...next.children);
}

matrix((name, vpc) => tell(() => detail(name, vpc)));
window.addEventListener("hashchange", show);
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  const field = document.querySelector(`#s-${section} input`);
  if (field) { event.preventDefault(); field.focus(); field.select(); }
});
for (const id of ["endpoints-word", "endpoints-state"]) by(id).addEventListener("input", () => { offset = 0; tell(endpoints); });
by("endpoints-before").addEventListener("click", () => { offset = Math.max(0, offset - PAGE); tell(endpoints); });
by("endpoints-after").addEventListener("click", () => { offset += PAGE; tell(endpoints); });
by("explain-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const asked = Object.fromEntries(["name", "type", "from"].map((key) => [key, by(`explain-${key}`).value.trim()]));
  const hash = `#/explain?${new URLSearchParams(asked)}`;
  if (location.hash === hash) tell(explain); else location.hash = hash;
});
by("detail-close").addEventListener("click", () => by("detail").close());
by("detail").addEventListener("close", refocus);
show();
tick();
