// A day: its timeline, and its events.
import { $, clock, fill, get, h, lasted, lastOf, tell, tinted } from "./api.js";
import { eventRow, remember } from "./events.js";
import { grouped, groupOf, isChosen, offer } from "./groups.js";

const AT_ONCE = 50, LANES = 9, LANE = 22, LEFT = 124, NARROW = 92, LOUD = 34;
const getDay = lastOf(get);
let shown = null, limit = AT_ONCE, hour = null;

const text = (date) => `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, "0")}-${String(date.getDate()).padStart(2, "0")}`;
const noon = (day) => new Date(`${day}T12:00:00`);
// When an hour of the day begins: not always an hour after the last, since clocks are set.
const begins = (at) => new Date(noon(shown.day).setHours(at, 0, 0, 0)).getTime();

export async function showDay(day) {
  let found;
  try {
    found = await getDay(`/api/day?day=${day || shown?.day || text(new Date())}`);
  } catch (error) { return tell(error); }
  if (!found) return null;
  shown = found;
  shown.events.forEach(remember);
  limit = AT_ONCE;
  hour = null;
  offer($("day-tag"), [...new Set(shown.events.map((event) => event.tag))].sort());
  draw();
  return null;
}

function draw() {
  const date = noon(shown.day);
  fill($("day-name"), date.toLocaleDateString([], { weekday: "short", day: "numeric", month: "long" }));
  $("after").disabled = shown.day >= text(new Date());
  const isWanted = isChosen($("day-tag"));
  const events = shown.events.filter((event) => isWanted(event.tag));
  fill($("timeline"), timeline(events));
  const ears = shown.listened.reduce((sum, [start, end]) => sum + end - start, 0);
  const lost = shown.gaps.reduce((sum, [, length]) => sum + length, 0);
  fill($("day-sum"), `${events.length}${shown.is_cut ? "+" : ""} events · listened for ${lasted(ears)}${lost ? ` · ${lasted(lost)} lost in gaps` : ""}`);
  const chosen = events.filter((event) => hour == null || new Date(event.onset_ms).getHours() === hour).reverse();
  fill($("day-list"), hour == null ? "Events, newest first" : `Events from ${hour}:00 to ${hour + 1}:00`);
  fill($("day-events"), ...chosen.slice(0, limit).map(eventRow));
  $("no-events").hidden = chosen.length > 0;
  $("more").hidden = chosen.length <= limit;
}

function timeline(events) {
  const width = Math.max(320, $("timeline").clientWidth || 320), length = shown.end_ms - shown.start_ms;
  const left = width < 500 ? NARROW : LEFT;
  const x = (ms) => left + ((ms - shown.start_ms) / length) * (width - left - 2);
  const laneOf = lanesOf(events), counts = new Map();
  for (const event of events) counts.set(laneOf(event.tag), (counts.get(laneOf(event.tag)) || 0) + 1);
  const lanes = [...counts].sort((a, b) => b[1] - a[1]).map(([lane]) => lane);
  const named = lanes.length > LANES ? [...lanes.slice(0, LANES - 1), "others"] : lanes;
  const place = new Map(lanes.map((lane, index) => [lane, Math.min(index, named.length - 1)]));
  const top = LOUD + 8, bottom = top + Math.max(named.length, 1) * LANE, height = bottom + 20;
  const label = `Timeline of ${shown.day}: ${events.length} events, most of ${lanes.slice(0, 3).join(", ") || "nothing"}. The list below has each.`;
  const svg = h("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label, class: "timeline" });
  // What is still to come is empty; what has passed is dark where it did not listen.
  svg.append(h("rect", { class: "deaf", x: left, y: 0, width: Math.max(0, x(Math.min(shown.end_ms, Date.now())) - left), height: bottom }));
  for (const [start, end] of shown.listened) {
    svg.append(h("rect", { class: "ears", x: x(start), y: 0, width: Math.max(0.5, x(end) - x(start)), height: bottom }));
  }
  svg.append(h("text", { x: left - 8, y: LOUD - 8, class: "name" }, "loudness"), loudness(x));
  for (let at = 0; at <= 24; at += width < 500 ? 6 : 3) {
    const ms = begins(at);
    svg.append(h("line", { x1: x(ms), x2: x(ms), y1: 0, y2: bottom, class: "grid" }));
    svg.append(h("text", { x: x(ms), y: height - 5, class: "hour", "text-anchor": at === 0 ? "start" : at === 24 ? "end" : "middle" }, `${at}:00`));
  }
  named.forEach((tag, index) => {
    const y = top + index * LANE;
    svg.append(h("text", { x: left - 8, y: y + LANE / 2 + 4, class: "name" }, short(tag, left < LEFT ? 12 : 17)));
  });
  for (const event of events) {
    const y = top + place.get(laneOf(event.tag)) * LANE;
    const wide = Math.max(2.5, x(event.onset_ms + event.duration_ms) - x(event.onset_ms));
    const bar = h("rect", { class: `bar ${event.verdict || ""}`, x: x(event.onset_ms), y: y + 4, width: wide, height: LANE - 8, rx: 1.5 },
      h("title", {}, `${event.tag} ${clock(event.onset_ms)}, ${lasted(event.duration_ms)}`));
    svg.append(tinted(bar, event.tag));
  }
  if (hour != null) svg.append(h("rect", { class: "chosen", x: x(begins(hour)), y: 0, width: x(begins(hour + 1)) - x(begins(hour)), height: bottom }));
  svg.addEventListener("click", (click) => {
    const at = (click.clientX - svg.getBoundingClientRect().left - left) / (width - left - 2);
    const chosen = new Date(shown.start_ms + Math.min(at, 0.99999) * length).getHours();
    hour = at < 0 || hour === chosen ? null : chosen;
    draw();
  });
  return svg;
}

// Where there are more tags than lanes, each group of them has one; a group that is chosen has one for each of its tags.
function lanesOf(events) {
  const tags = [...new Set(events.map((event) => event.tag))];
  return tags.length > LANES && grouped(tags).length > 1 ? groupOf : (tag) => tag;
}

function loudness(x) {
  const y = (dbfs) => LOUD - (Math.max(0, Math.min(70, dbfs + 75)) / 70) * LOUD;
  let path = "", last = 0;
  for (const [ms, dbfs] of shown.minutes) {
    if (ms - last > 180000) path += `${path ? `V${LOUD}` : ""}M${x(ms).toFixed(1)} ${LOUD}`;
    path += `L${x(ms).toFixed(1)} ${y(dbfs).toFixed(1)}`;
    last = ms;
  }
  return h("path", { class: "loud", d: path ? `${path}V${LOUD}` : "" });
}

const short = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

export function startDay() {
  const step = (days) => { const date = noon(shown.day); date.setDate(date.getDate() + days); location.hash = `day/${text(date)}`; };
  $("before").addEventListener("click", () => shown && step(-1));
  $("after").addEventListener("click", () => shown && step(1));
  $("day-tag").addEventListener("change", () => { limit = AT_ONCE; draw(); });
  $("more").addEventListener("click", () => { limit += AT_ONCE; draw(); });
  let waiting = 0;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(() => shown && !$("day").hidden && draw(), 150); });
}
