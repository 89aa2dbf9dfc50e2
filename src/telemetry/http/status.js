
"use strict";
// Draws /status.json: text goes in as text, never as markup. Nothing moves but what is drawn anew.

const PERIOD_MS = 2000;
const PATIENCE_MS = 5000;
const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 300;
const HEIGHT = 88;

const at = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

const number = (value) => (value === null ? "–" : Math.abs(value) < 100 ? short.format(value) : whole.format(value));
const rate = (value) => (value === null ? "–" : `${number(value)}/s`);
const percent = (value) => (value === null ? "–" : `${short.format(100 * value)} %`);
const ms = (value) => (value === null ? "–" : value >= 10000 ? `${short.format(value / 1000)} s` : `${short.format(value)} ms`);
const mib = (value) => (value === null ? "–" : `${number(value / 1048576)} MiB`);
const clock = (value) => new Date(value).toLocaleTimeString("en-GB");

function span(seconds) {
  if (seconds === null) return "–";
  if (seconds < 120) return `${short.format(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

// What each chart draws: columns of the history, in the order of their colours; how a value is written; the top of its scale.
const CHARTS = [
  { name: "Events", series: [["settled_per_s", "settled"], ["dead_letters_per_s", "refused"]], show: rate },
  { name: "Latency, read to delivered", series: [["p99_ms", "p99"], ["p50_ms", "p50"]], show: ms },
  { name: "Lag", series: [["lag", "records"]], show: (value) => (value === null ? "–" : whole.format(value)) },
  { name: "Backpressure", series: [["backpressure", "of the time"]], show: percent, top: () => 1 },
  { name: "Batches in flight", series: [["batches", "batches"]], show: number, top: (status) => status.batches.of,
    note: (status) => `of ${status.batches.of}` },
  { name: "Memory", series: [["memory_bytes", "resident"]], show: mib, top: (status) => status.memory.limit_bytes,
    note: (status) => `records in flight may hold ${mib(status.memory.limit_bytes)}` },
];

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function drawn(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// The next round number above a value, so that the scale does not tremble.
function roof(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 1.5, 2, 3, 5, 7.5, 10].find((step) => step * power >= value * 0.9999);
}

class Chart {
  constructor(spec) {
    this.spec = spec;
    this.value = element("span", { class: "value" });
    this.detail = element("div", { class: "detail quiet" });
    this.high = element("span");
    this.svg = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
    const caption = element("figcaption", null, element("span", { class: "name" }, spec.name), this.value);
    const axis = element("div", { class: "axis", "aria-hidden": "true" }, element("span", null, "10 min ago"), this.high, element("span", null, "now"));
    this.figure = element("figure", null, caption, this.detail, this.svg, axis);
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => { this.pointed = null; this.draw(); });
  }

  point(event) {
    const box = this.svg.getBoundingClientRect();
    this.pointed = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    this.draw();
  }

  update(status) {
    this.status = status;
    this.draw();
  }

  draw() {
    if (!this.status) return;
    const { spec, status } = this;
    const times = status.history.at_ms;
    const columns = spec.series.map(([column]) => status.history[column]);
    const seen = columns.flat().filter((value) => value !== null);
    const most = seen.length ? Math.max(...seen) : 0;
    const floor = spec.top ? spec.top(status) : 0;
    const top = Math.max(floor, floor && most <= floor ? 0 : roof(most));
    const x = (index) => WIDTH * (1 - (times[times.length - 1] - times[index]) / 600000);
    const y = (value) => HEIGHT - 2 - (HEIGHT - 6) * Math.min(1, value / top);

    this.svg.replaceChildren(
      drawn("line", { class: "grid", x1: 0, x2: WIDTH, y1: HEIGHT - 1, y2: HEIGHT - 1 }),
      drawn("line", { class: "grid", x1: 0, x2: WIDTH, y1: y(top), y2: y(top) }),
    );
    if (columns.length === 1 || spec.series[0][0] === "settled_per_s") {
      this.svg.append(drawn("path", { class: "area", d: this.path(columns[0], x, y, true) }));
    }
    columns.forEach((column, index) => {
      this.svg.append(drawn("path", { class: `line ${index ? "second" : "first"}`, d: this.path(column, x, y, false) }));
    });

    let index = times.length - 1;
    if (this.pointed !== null && this.pointed !== undefined && times.length) {
      const wanted = times[times.length - 1] - (1 - this.pointed) * 600000;
      index = times.reduce((best, time, here) => (Math.abs(time - wanted) < Math.abs(times[best] - wanted) ? here : best), 0);
      this.svg.append(drawn("line", { class: "cursor", x1: x(index), x2: x(index), y1: 0, y2: HEIGHT }));
    }
    const values = columns.map((column) => (index >= 0 ? column[index] : null));
    this.value.textContent = spec.show(values[0]);
    const keys = spec.series.length > 1
      ? spec.series.map(([, word], at) => element("span", { class: `key ${at ? "second" : "first"}` }, `${word} ${spec.show(values[at])}`))
      : [element("span", null, spec.note ? spec.note(status) : spec.series[0][1])];
    if (this.pointed !== null && this.pointed !== undefined && index >= 0) keys.push(element("span", null, clock(times[index])));
    this.detail.replaceChildren(...keys);
    this.high.textContent = `top ${spec.show(top)}`;
    const least = seen.length ? Math.min(...columns[0].filter((value) => value !== null)) : null;
    this.svg.setAttribute("aria-label", `${spec.name}: ${spec.show(values[0])} now, ${spec.show(least)} to ${spec.show(seen.length ? most : null)} in the last ten minutes`);
  }

  // A line with a gap where there is no value; closed along the bottom for an area.
  path(column, x, y, closed) {
    let text = "";
    let begun = null;
    const close = (last) => { if (closed && begun !== null) text += `L${x(last).toFixed(1)} ${HEIGHT - 1}L${x(begun).toFixed(1)} ${HEIGHT - 1}Z`; begun = null; };
    column.forEach((value, index) => {
      if (value === null) { if (begun !== null) close(index - 1); return; }
      text += `${begun === null ? "M" : "L"}${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
      if (begun === null) {
        begun = index;
        // A value alone is a dot, which a line of no length would not be.
        if (!closed && (index + 1 === column.length || column[index + 1] === null)) text += `h1`;
      }
    });
    if (begun !== null) close(column.length - 1);
    return text;
  }
}

const charts = CHARTS.map((spec) => new Chart(spec));
at("charts").append(...charts.map((chart) => chart.figure));

function row(head, cells, name) {
  const made = element("tr", name ? { class: name } : null, element("th", { scope: "row" }, head));
  for (const cell of cells) made.append(cell instanceof Node ? cell : element("td", { class: "number" }, cell));
  return made;
}

function bar(share) {
  const filled = element("div");
  filled.style.width = `${100 * share}%`;
  return element("td", { class: "bar", "aria-hidden": "true" }, filled);
}

function rows(id, made, empty, columns) {
  const none = () => [element("tr", null, element("td", { colspan: columns, class: "quiet" }, empty))];
  at(id).replaceChildren(...(made.length ? made : none()));
}

function show(status) {
  const { records, topics } = status;
  const verdict = !status.live ? "not live" : status.ready ? "ready" : "not ready";
  if (at("verdict").textContent !== verdict) at("verdict").textContent = verdict;
  at("verdict").className = `verdict ${status.live && status.ready ? "yes" : "no"}`;
  document.title = `${topics.input} · ${verdict} · gristmill`;
  at("route").textContent = `${topics.input} → ${topics.output}, refused → ${topics.dead_letters}`;
  const instance = status.instance ? `, instance ${status.instance}` : "";
  at("identity").textContent = `group ${status.group}${instance} · contract ${status.contract} · up ${span((status.at_ms - status.started_ms) / 1000)} · ` +
    `version ${status.version}, librdkafka ${status.librdkafka}`;
  at("missing").hidden = status.missing.length === 0;
  at("missing").replaceChildren(...status.missing.map((phrase) => element("li", null, phrase)));
  charts.forEach((chart) => chart.update(status));

  const largest = Math.max(1, ...status.partitions.map((one) => one.lag || 0));
  rows("partitions", status.partitions.map((one) =>
    row(String(one.partition), [bar((one.lag || 0) / largest), one.lag === null ? "–" : whole.format(one.lag), span(one.lag_seconds)])), "none is assigned", 4);
  const assigned = `${status.partitions.length} of ${status.input_partitions ?? "?"} partitions are this process's`;
  at("partitions-note").textContent = `${assigned}; ${status.lag === null ? "lag not known yet" : `lag ${whole.format(status.lag)} in all`}`;

  const refused = Object.entries(status.refused).sort((one, other) => other[1] - one[1]);
  const settled = records.output + records.passed + records.dead_letters;
  rows("refused", refused.map(([reason, count]) =>
    row(reason, [bar(count / refused[0][1]), whole.format(count), percent(count / settled)])), "nothing so far", 4);
  at("refused-note").textContent = settled ? `${whole.format(records.dead_letters)} of ${whole.format(settled)} records: ${percent(records.dead_letters / settled)}` : "";

  const legs = { queue: "waiting for a worker", transform: "checking", produce: "handing over", delivery: "at the broker",
    processing: "read to delivered", end_to_end: "written to delivered" };
  const cell = (leg, value) => (leg.records ? number(value) : "–");
  rows("latency", status.latency.legs.map((leg) =>
    row(legs[leg.leg] || leg.leg, ["p50_ms", "p90_ms", "p99_ms", "p99_9_ms", "max_ms"].map((name) => cell(leg, leg[name])), leg.leg === "processing" ? "sum" : null)), "", 6);
  at("latency-note").textContent = `of the last ${span(status.latency.seconds)}`;

  const { commits, rebalances } = status;
  const bad = (value) => (value ? "warning" : null);
  rows("counts", [
    row("read", [whole.format(records.consumed)]),
    row("to the output", [whole.format(records.output)]),
    row("refused", [whole.format(records.dead_letters)]),
    row("tombstones passed on", [whole.format(records.passed)]),
    row("in flight", [whole.format(records.in_flight)]),
    row("given up, to be read again", [whole.format(records.abandoned)]),
    row("sent again", [whole.format(records.sent_again)]),
    row("expired before they were read", [whole.format(records.expired)], bad(records.expired)),
    row("times that the offset was gone", [whole.format(records.offset_resets)], bad(records.offset_resets)),
    row("commits", [`${whole.format(commits.ok)}${commits.last_ms ? `, last ${clock(commits.last_ms)}` : ""}`]),
    row("commits failed", [whole.format(commits.failed)], bad(commits.failed)),
    row("commits held back, partition gone", [whole.format(commits.fenced)]),
    row("rebalances: given, asked back, lost", [`${rebalances.assign}, ${rebalances.revoke}, ${rebalances.lost}`], bad(rebalances.lost)),
    row("waited for room", [span(status.backpressure_seconds)]),
  ], "", 2);

  rows("settings", status.settings.map((one) => row(one.variable, [
    element("td", null, one.value || "not set"), element("td", { class: "quiet" }, one.value ? one.origin : "")])), "", 3);
}

let heard = null;

async function ask() {
  try {
    const answer = await fetch("status.json", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    show(await answer.json());
    heard = Date.now();
    at("silence").hidden = true;
  } catch (error) {
    const since = heard ? ` since ${clock(heard)}; what stands here is of then` : "";
    const text = `No answer from the process${since}.`;
    if (at("silence").textContent !== text) at("silence").textContent = text;
    at("silence").hidden = false;
    at("verdict").textContent = "no answer";
    at("verdict").className = "verdict no";
  }
}

async function follow() {
  if (!document.hidden) await ask();
  setTimeout(follow, PERIOD_MS);
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
follow();
