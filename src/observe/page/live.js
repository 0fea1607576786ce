// Rates and latencies: the differences of two readings of /v1/status and /metrics.
import { by, fill, make, number } from "./element.js";

const KEPT = 60;
const readings = [];
let history = [];

/** Keeps a reading. */
export function sample(status, metrics) {
  const last = readings.at(-1);
  if (last && status.uptime_ms < last.status.uptime_ms) { readings.length = 0; history = []; }
  readings.push({ status, buckets: buckets(metrics) });
  if (readings.length > 6) readings.shift();
  if (readings.length > 1) history = [...history, rate(readings.at(-2), readings.at(-1), "packets")].slice(-KEPT);
}

/** Cumulative counts of answers by their longest time in seconds, all transports together. */
function buckets(metrics) {
  const sums = new Map();
  for (const [, labels, value] of metrics.matchAll(/^vpcedns_answer_duration_seconds_bucket\{([^}]*)\} (\S+)/gm)) {
    const bound = Number(/le="([^"]*)"/.exec(labels)?.[1].replace("+Inf", "Infinity"));
    sums.set(bound, (sums.get(bound) ?? 0) + Number(value));
  }
  return [...sums].sort(([a], [b]) => a - b);
}

const rate = (from, to, key) => Math.max(0, to.status.counts[key] - from.status.counts[key]) * 1000 / Math.max(1, to.status.uptime_ms - from.status.uptime_ms);

/** The bound, in seconds, below which a part of the answers between two readings took; `null` where there were none. */
function quantile(from, to, part) {
  const before = new Map(from.buckets), counts = to.buckets.map(([bound, value]) => [bound, value - (before.get(bound) ?? 0)]);
  const total = counts.at(-1)?.[1] ?? 0;
  return total > 0 ? counts.find(([, value]) => value >= part * total)[0] : null;
}

function time(seconds) {
  if (seconds === null) return ["–", ""];
  if (seconds === Infinity) return ["long", ""];
  return seconds < 0.001 ? [`≤ ${number(seconds * 1e6)}`, "µs"] : [`≤ ${Number((seconds * 1e3).toPrecision(3))}`, "ms"];
}

/** Shows the rates over the last ten seconds. */
export function live(status) {
  const [from, to] = [readings[0], readings.at(-1)];
  const per = (key) => [number(rate(from, to, key)), "a second"];
  const hits = to.status.counts.cache_hits - from.status.counts.cache_hits, asked = to.status.counts.forwarded - from.status.counts.forwarded;
  const share = hits + asked > 0 ? [number(100 * hits / (hits + asked)), "%"] : ["–", ""];
  const tiles = [
    ["Questions", ...per("packets")], ["Local answers", ...per("local")], ["Forwarded", ...per("forwarded")], ["Cache hits", ...share],
    ["Half are answered in", ...time(quantile(from, to, 0.5))], ["99 % are answered in", ...time(quantile(from, to, 0.99))],
    ["Unanswered upstream", ...per("forward_failed")], ["Refused", ...per("refused")],
  ];
  fill(by("rates"), ...tiles.map(([name, value, unit]) => make("li", "", make("span", "what", name), make("span", "value", value, " ", make("small", "", unit)))));
  chart();
  const rows = status.upstreams.map((each) => make("tr", "", make("td", "", each.upstream), make("td", each.is_up ? "P" : "O", `${each.is_up ? "●" : "▲"} ${each.state}`),
    make("td", "", each.rtt_ms === null ? "–" : `${each.rtt_ms.toFixed(1)} ms`), make("td", "", number(each.questions)), make("td", "", number(each.failures))));
  const heads = ["Upstream", "State", "Round trip", "Questions", "Failures"].map((word) => { const head = make("th", "", word); head.scope = "col"; return head; });
  fill(by("upstreams"), rows.length ? make("table", "", make("thead", "", make("tr", "", ...heads)), make("tbody", "", ...rows)) : make("p", "empty", "None: nothing is forwarded."));
}

function chart() {
  const most = Math.max(1, ...history), named = (tag) => document.createElementNS("http://www.w3.org/2000/svg", tag);
  const svg = named("svg"), path = named("path");
  const points = history.map((value, step) => `${KEPT - history.length + step},${(100 - 96 * value / most).toFixed(1)}`);
  for (const [key, value] of [["viewBox", `0 0 ${KEPT - 1} 100`], ["preserveAspectRatio", "none"], ["role", "img"], ["aria-label", `Now ${number(history.at(-1) ?? 0)}, at most ${number(Math.max(0, ...history))}`]]) svg.setAttribute(key, value);
  if (points.length > 1) path.setAttribute("d", `M${points.join("L")}`);
  svg.append(path);
  fill(by("chart"), svg);
}
