// The page: one line to the listener, five views.
import { $, fill, get, h, post, tell } from "./api.js";
import * as live from "./live.js";
import { setGroups } from "./groups.js";
import { allowVerdicts, complete, nameSources, show, startClips } from "./events.js";
import { showDay, startDay } from "./day.js";
import { showHeat, startHeat } from "./heat.js";
import { showScores, showTags, startTags } from "./tags.js";
import { showHealth } from "./health.js";

const VIEWS = ["now", "day", "hours", "tags", "health"];
const RETRY_MS = 5000;
let line = null, hello = null, shown = null, completing = 0, retrying = 0;

function connect() {
  clearTimeout(retrying);
  line?.close();
  line = new EventSource("/api/live");
  const on = (kind, act) => line.addEventListener(kind, (event) => act(JSON.parse(event.data)));
  on("hello", greet);
  const onShown = (kind, act) => on(kind, (message) => { if (message.source === shown.name) act(message); });
  onShown("sound", live.sound);
  onShown("hop", (message) => { live.hop(message); showScores(); });
  onShown("health", showHealth);
  on("event", (event) => { live.heard(event); if (event.duration_ms != null) completeSoon(); });
  on("gap", (gap) => { live.gap(gap.source); say(of(gap, "Sound was lost."), 5000); });
  on("notice", (notice) => say(of(notice, notice.text), notice.kind === "away" ? 0 : 10000));
  on("tags", ({ tags }) => { live.setTags(tags); showTags(tags); });
  on("judged", show);
  on("missed", ({ messages }) => { document.body.dataset.missed = messages; });
  line.onerror = ({ target }) => {
    status("away", "not connected");
    if (target.readyState !== EventSource.CLOSED) return;  // it tries again by itself
    get("/api/tags").catch(() => {});  // it was refused: this leads to where one signs in, if that is why
    retrying = setTimeout(() => document.hidden || connect(), RETRY_MS);
  };
}

function greet(message) {
  hello = message;
  const chosen = hello.sources.find((source) => source.name === shown?.name) || hello.sources[0];
  fill($("source"), ...hello.sources.map(({ name }) => h("option", { selected: name === chosen.name }, name)));
  $("sources").hidden = hello.sources.length < 2;
  nameSources(hello.sources.length > 1);
  allowVerdicts(message.has_history);
  setGroups(message.tags);
  live.begin(message);
  choose(chosen);
  showTags(message.tags, message.tags_file);
  $("sign-out").hidden = !message.asks;
  const away = hello.sources.find((source) => source.away);
  if (away) say(of({ source: away.name }, away.away), 0); else say("", 0);
  completeSoon();
  go();
}

// The sound, the scores and the health that are shown are of one source; the events are of all.
function choose(source) {
  shown = source;
  status("on", hello.sources.length > 1 ? `${hello.sources.length} sources` : source.name);
  live.choose(source);
}

const of = ({ source }, text) => (hello.sources.length > 1 ? `${source}: ${text}` : text);

function status(kind, text) {
  $("status").className = kind;
  fill($("status-text"), text);
}

let hiding = 0;
function say(text, ms) {
  clearTimeout(hiding);
  $("banner").hidden = !text;
  fill($("banner"), text);
  if (text && ms) hiding = setTimeout(() => { $("banner").hidden = true; }, ms);
}

// The history and the clip of an event are written a little later than it is told.
function completeSoon() {
  if (!hello.has_history) return;
  clearTimeout(completing);
  completing = setTimeout(() => complete($("recent")).catch(() => {}), hello.has_clips ? 3000 : 1000);
}

function go() {
  const [view, day] = location.hash.slice(1).split("/");  // a day has an address: #day/2026-11-28
  const wanted = VIEWS.includes(view) ? view : "now";
  const isEmpty = hello && !hello.has_history && (wanted === "day" || wanted === "hours");
  $("no-history").hidden = !isEmpty;
  for (const name of VIEWS) {
    $(name).hidden = name !== wanted || isEmpty;
    const link = document.querySelector(`nav a[href="#${name}"]`);
    if (name === wanted) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  if (!hello || isEmpty) return;
  if (wanted === "day") showDay(day);
  else if (wanted === "hours") showHeat();
}

addEventListener("hashchange", () => { go(); scrollTo(0, 0); });
// A page that nobody looks at costs the listener nothing.
document.addEventListener("visibilitychange", () => { if (document.hidden) { line?.close(); line = null; } else connect(); });
$("source").addEventListener("change", () => choose(hello.sources[$("source").selectedIndex]));
$("sign-out").addEventListener("click", () => post("/api/logout", {}).then(() => location.assign("/login")).catch(tell));
startClips();
startDay();
startHeat();
startTags();
go();
connect();
