// What sounds now.
import { $, clock, fill, h, hue, percent, tinted } from "./api.js";
import { bytesOf, Picture } from "./picture.js";
import { eventRow, remember, show } from "./events.js";

const RECENT = 30;
let picture = null, tags = [], ranks = [], scores = [], rows = new Map(), isDue = false, source = null, places = [];
const open = new Map();

export function begin(hello) {
  tags = hello.tags;
  picture ??= new Picture($("picture"), 600, hello.n_mels);
  const [low, high] = hello.span_hz;
  fill($("span"), `${(low / 1000).toFixed(1)} – ${(high / 1000).toFixed(1)} kHz`);
  fill($("scores"));
  rows = new Map();
  open.clear();
  fill($("recent"));
  for (const event of hello.events) heard(event, false);
  showOpen();
}

// Show what this source hears from now on; it may have fewer tags than all together.
export function choose(chosen) {
  source = chosen;
  places = tags.map((tag) => chosen.tags.indexOf(tag.tag));
  ranks = tags.map(() => 0);
  scores = tags.map(() => 0);
  picture?.clear();
}

export const setTags = (changed) => { tags = changed; draw(); };
export const scoreOf = (place) => scores[place] ?? 0;

export function sound(message) {
  picture?.push(bytesOf(message.m));
  $("level").style.transform = `scaleX(${Math.max(0, Math.min(1, (message.l + 70) / 70))})`;
}

export function hop(message) {
  const bytes = bytesOf(message.s);
  scores = places.map((place) => (place < 0 ? 0 : bytes[place] / 255));
  const decay = 0.5 ** (source.hop_s / 4);
  ranks = scores.map((score, place) => Math.max(score, (ranks[place] ?? 0) * decay));
  document.body.dataset.lag = Date.now() - message.t;
  draw();
}

export function heard(message, isLive = true) {
  const event = remember(message);
  if (event.duration_ms == null) open.set(event.id, event); else open.delete(event.id);
  const list = $("recent");
  if (list.querySelector(`[data-id="${CSS.escape(event.id)}"]`)) show(event);
  else list.prepend(eventRow(event));
  while (list.children.length > RECENT) list.lastElementChild.remove();
  $("no-recent").hidden = list.children.length > 0;
  if (isLive && event.duration_ms == null) fill($("said"), `${event.tag}, ${clock(event.onset_ms)}`);
  showOpen();
}

export function gap(source) {
  for (const [id, event] of open) if (event.source === source) open.delete(id);
  showOpen();
}

function showOpen() {
  const place = $("open");
  place.classList.toggle("calm", !open.size);
  if (!open.size) return fill(place, "nothing recognised");
  return fill(place, ...[...open.values()].map((event) => tinted(h("span", { class: "chip" }, event.tag), event.tag)));
}

function draw() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    const count = innerWidth < 700 ? 6 : 12;
    const best = tags.map((_, place) => place).filter((place) => !tags[place].muted)
      .sort((a, b) => ranks[b] - ranks[a]).slice(0, count);
    const wanted = new Set(best.map((place) => tags[place].tag));
    for (const [name, row] of rows) if (!wanted.has(name)) { row.remove(); rows.delete(name); }
    best.forEach((place, order) => {
      const tag = tags[place], row = rows.get(tag.tag) || scoreRow(tag);
      row.style.order = order;
      row.bar.style.transform = `scaleX(${scores[place]})`;
      row.tick.style.left = `${tag.on * 100}%`;
      row.classList.toggle("over", scores[place] >= tag.on);
      row.number.textContent = percent(scores[place]);
    });
  });
}

function scoreRow(tag) {
  const row = h("li"), bar = h("i"), tick = h("u"), number = h("span");
  row.append(h("b", {}, tag.tag), h("div", {}, bar, tick), number);
  Object.assign(row, { bar, tick, number });
  row.style.setProperty("--hue", hue(tag.tag).toFixed(0));
  rows.set(tag.tag, row);
  $("scores").append(row);
  return row;
}
