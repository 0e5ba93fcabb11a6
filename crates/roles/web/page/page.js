"use strict";
// One page over the public interface: whatever it shows, /v1 shows too.

const $ = (id) => document.getElementById(id);
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
const quoted = (text) => `'${String(text).replaceAll("'", "''")}'`;
const EVERY_MS = 3000;

// A link may bring the token behind #, which no server and no proxy gets to see.
let token = sessionStorage.getItem("token") || "";
const brought = new URLSearchParams(location.hash.slice(1)).get("token");
if (brought) {
  token = brought;
  history.replaceState(null, "", location.pathname);
}

async function ask(path, options = {}) {
  const answer = await fetch(path, { ...options, headers: { Authorization: `Bearer ${token}`, ...options.headers } });
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({ detail: answer.statusText, next: "" }));
  throw new Error([told.detail, told.next].filter(Boolean).join(" – "));
}
const sql = async (text, options = {}) => (await ask("/v1/sql", { ...options, method: "POST", body: text })).json();

function say(text, wrong = false) {
  $("state").textContent = text;
  $("state").classList.toggle("wrong", wrong);
}

function cell(row, kind, text, classes) {
  const made = document.createElement(kind);
  made.textContent = text ?? "";
  if (classes) made.className = classes;
  row.append(made);
}

// Columns: [name in the row, heading, class]. What comes from meters is text, never markup.
function table(id, rows, columns) {
  const head = document.createElement("tr");
  for (const [, heading, classes] of columns) cell(head, "th", heading, classes);
  const lines = rows.map((row) => {
    const line = document.createElement("tr");
    for (const [name, , classes] of columns) cell(line, "td", shown(row[name]), classes);
    return line;
  });
  $(id).replaceChildren(head, ...lines);
}

function shown(value) {
  if (typeof value === "string" && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value)) {
    return new Date(value).toLocaleString("sv-SE", { timeZone: zone });
  }
  return value === null || typeof value !== "object" ? value : JSON.stringify(value);
}

const seen = [];
async function running() {
  const text = await (await ask("/metrics")).text();
  const count = (name) => Number(new RegExp(`^meterhouse_process_${name}_total (\\d+)`, "m").exec(text)?.[1] ?? 0);
  for (const [id, name] of [["accepted", "accepted_readings"], ["duplicate", "duplicate_readings"], ["corrected", "corrected_readings"], ["refusals", "refused_items"]]) {
    $(id).textContent = count(name).toLocaleString();
  }
  const all = count("accepted_readings") + count("duplicate_readings") + count("corrected_readings");
  seen.push([performance.now(), all]);
  if (seen.length > 41) seen.shift();
  const rates = seen.slice(1).map(([at, n], i) => Math.max(0, (n - seen[i][1]) / ((at - seen[i][0]) / 1000)));
  if (!rates.length) return;
  $("rate").textContent = rates.at(-1).toLocaleString(undefined, { maximumFractionDigits: rates.at(-1) < 10 ? 1 : 0 });
  const most = Math.max(...rates, 1);
  const points = rates.map((rate, i) => `${(i / 39) * 120},${31 - (rate / most) * 29}`);
  $("rates").innerHTML = "";
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", `M${points.join("L")}`);
  $("rates").append(path);
}

async function lists() {
  const latest = await sql("select point, register, start, \"end\", cast(value as varchar) as value, scale, unit, quality, seq from latest order by start desc, channel limit 50");
  table("latest", latest.map((row) => ({ ...row, value: decimal(row.value, row.scale) })), [
    ["point", "Point"], ["register", "Register"], ["start", "Start"], ["end", "End"], ["value", "Value", "number"], ["unit", "Unit"], ["quality", "Quality"], ["seq", "Source", "number"]]);
  const refused = await sql("select seq, place_kind, place, code, reason from refused order by seq desc, ordinal desc limit 20");
  table("refused", refused.map((row) => ({ ...row, place: `${row.place_kind} ${row.place ?? ""}` })), [
    ["seq", "Source", "number"], ["place", "Place"], ["code", "Code"], ["reason", "Reason", "long"]]);
  $("none").hidden = refused.length > 0;
}

// The digits as they came in: no float in between.
function decimal(value, scale) {
  if (!scale) return value;
  const digits = value.replace("-", "").padStart(scale + 1, "0");
  return `${value.startsWith("-") ? "-" : ""}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

async function points() {
  const found = await sql("select point, max(start) as newest from latest group by point order by point limit 500");
  $("points").replaceChildren(...found.map((row) => new Option(row.point)));
  if (!found.length || $("point").value) return;
  $("point").value = found[0].point;
  $("month").value = found[0].newest.slice(0, 7);
  await registers();
}

async function registers() {
  const found = await sql(`select register, kind, flow, quantity_unit from latest where point = ${quoted($("point").value)} order by kind, register`);
  $("register").replaceChildren(...found.map((row) => {
    const option = new Option(`${row.register || row.flow} (${row.kind}, ${row.quantity_unit})`, row.register);
    Object.assign(option.dataset, { kind: row.kind, unit: row.quantity_unit });
    return option;
  }));
  if (found.length) await month();
}

// Intervals are summed; of a counter the day's rise is shown, of anything else the mean.
async function month() {
  const chosen = $("register").selectedOptions[0];
  if (!chosen || !$("month").value) return;
  const [year, of] = $("month").value.split("-").map(Number);
  const days = new Date(Date.UTC(year, of, 0)).getUTCDate();
  const day = (n) => new Date(Date.UTC(year, of - 1, n)).toISOString().slice(0, 10);
  const ways = { interval: ["sum(quantity)", "sum of"], register: ["max(quantity) - min(quantity)", "rise of"] };
  const [amount, way] = ways[chosen.dataset.kind] ?? ["avg(quantity)", "mean of"];
  const rows = await sql(`select local_day(start, ${quoted(zone)}) as day, ${amount} as amount, count(*) as readings
    from readings where point = ${quoted($("point").value)} and register = ${quoted(chosen.value)} and flags & 512 = 0
    and start >= '${day(0)}' and start < '${day(days + 2)}'
    and local_day(start, ${quoted(zone)}) between date '${day(1)}' and date '${day(days)}' group by day order by day`);
  $("zone").textContent = `days of ${zone}`;
  const by = new Map(rows.map((row) => [row.day, row]));
  const total = rows.reduce((sum, row) => sum + Number(row.amount), 0);
  const readings = rows.reduce((sum, row) => sum + row.readings, 0);
  $("told").textContent = rows.length
    ? `${chosen.dataset.unit}: ${way} ${readings.toLocaleString()} readings on ${rows.length} of ${days} days` + (way === "mean of" ? "" : `; ${total.toLocaleString(undefined, { maximumFractionDigits: 3 })} ${chosen.dataset.unit} in all`)
    : "no reading in this month";
  bars(Array.from({ length: days }, (_, i) => by.get(day(i + 1))), chosen.dataset.unit);
}

function bars(days, unit) {
  const [width, height, left, bottom] = [960, 260, 56, 22];
  const most = Math.max(...days.map((day) => Number(day?.amount ?? 0)), 0) || 1;
  const step = [1, 2, 5, 10].map((n) => n * 10 ** Math.floor(Math.log10(most / 2.5))).find((n) => most / n <= 5) ?? most;
  const top = Math.ceil(most / step) * step;
  const svg = (name, attributes, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const y = (amount) => 12 + (height - bottom - 12) * (1 - amount / top);
  const slot = (width - left) / days.length;
  const all = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `A bar for each day, in ${unit}` });
  for (let at = 0; at <= top + step / 2; at += step) {
    all.append(svg("line", { class: "grid", x1: left, x2: width, y1: y(at), y2: y(at) }));
    all.append(svg("text", { x: left - 6, y: y(at) + 4, "text-anchor": "end" }, Number(at.toPrecision(6)).toLocaleString()));
  }
  days.forEach((day, i) => {
    const x = left + i * slot;
    if (i % 2 === 0) all.append(svg("text", { x: x + slot / 2, y: height - 6, "text-anchor": "middle" }, i + 1));
    if (!day) return;
    const amount = Math.max(0, Number(day.amount));
    const bar = svg("rect", { class: "bar", x: x + slot * 0.12, width: slot * 0.76, y: y(amount), height: Math.max(1, y(0) - y(amount)), rx: 1.5 });
    bar.append(svg("title", {}, `${day.day}: ${day.amount} ${unit} from ${day.readings} readings`));
    all.append(bar);
  });
  $("chart").replaceChildren(all);
}

let stop = null;
async function run() {
  stop?.abort();
  const mine = (stop = new AbortController());
  $("cancel").disabled = false;
  $("took").textContent = "running …";
  $("took").className = "quiet";
  const begun = performance.now();
  try {
    const rows = await sql($("sql").value, { signal: mine.signal });
    const names = Object.keys(rows[0] ?? {});
    const numeric = (name) => rows.every((row) => row[name] === null || !Number.isNaN(Number(row[name])));
    table("answer", rows.slice(0, 1000), names.map((name) => [name, name, numeric(name) ? "number" : ""]));
    $("took").textContent = `${rows.length.toLocaleString()} rows in ${Math.round(performance.now() - begun)} ms` + (rows.length > 1000 ? ", the first 1,000 shown" : "");
  } catch (error) {
    $("took").textContent = mine.signal.aborted ? "cancelled" : error.message;
    $("took").className = "wrong";
  }
  if (stop === mine) $("cancel").disabled = true;
}

// What fails is said once at the top, and tried again with the next round.
async function round() {
  try {
    await running();
    await lists();
    say(`${location.host}, ${new Date().toLocaleTimeString("sv-SE")}`);
  } catch (error) {
    say(error.message, true);
  }
}

async function open() {
  try {
    await ask("/v1/channels?limit=1");
  } catch (error) {
    return say(token ? error.message : "paste a token that may read: meterhouse token create --scopes read", Boolean(token));
  }
  sessionStorage.setItem("token", token);
  document.querySelector("main").hidden = false;
  $("door").hidden = true;
  await round();
  await points().catch((error) => say(error.message, true));
  setInterval(() => document.hidden || round(), EVERY_MS);
}

const on = (id, event, act) => $(id).addEventListener(event, (happened) => {
  happened.preventDefault();
  Promise.resolve(act()).catch((error) => say(error.message, true));
});
on("door", "submit", () => ((token = $("token").value.trim()), open()));
on("home", "submit", month);
on("point", "change", registers);
on("register", "change", month);
on("month", "change", month);
on("ask", "submit", run);
on("cancel", "click", () => stop?.abort());
$("sql").addEventListener("keydown", (key) => key.key === "Enter" && (key.ctrlKey || key.metaKey) && run());
open();
