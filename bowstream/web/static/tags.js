// Thresholds and mutes; each change can be undone.
import { $, fill, h, percent, post, tell, tinted, toast } from "./api.js";
import { grouped, groupOf } from "./groups.js";
import { scoreOf } from "./live.js";

const rows = new Map();
let headings = [], wanted = "";

export function showTags(tags, file) {
  if (file !== undefined) fill($("tags-note"), file ? `In force at once, and kept in ${file}, which wins over the configuration.` : "In force at once, and forgotten when the listener ends.");
  const names = new Set(tags.map(({ tag }) => tag)), gone = [...rows.keys()].filter((name) => !names.has(name));
  const isOther = gone.length > 0 || tags.some(({ tag }) => !rows.has(tag));
  for (const name of gone) rows.delete(name);
  tags.forEach((tag, place) => {
    const row = rows.get(tag.tag) || tagRow(tag, place);
    row.place = place;
    row.tag = tag;
    row.classList.toggle("muted", tag.muted);
    row.mute.setAttribute("aria-checked", String(!tag.muted));
    if (document.activeElement !== row.slider) row.slider.value = tag.on;
    row.number.textContent = percent(tag.on);
    row.reset.hidden = tag.own == null && !tag.muted;
    row.usual.style.left = `${tag.usual * 100}%`;
  });
  if (isOther) arrange();
}

// By group, each with its heading, and a button above that shows it alone.
function arrange() {
  const parts = grouped(rows.keys()), several = parts.length > 1;
  headings = parts.map(([group, tags]) => Object.assign(h("li", { class: "heading" }, h("h3", { class: "note" }, group)), { tags }));
  fill($("tag-list"), ...headings.flatMap((heading) => [several ? heading : null, ...heading.tags.map((tag) => rows.get(tag))]).filter(Boolean));
  const choices = several ? ["", ...parts.map(([group]) => group)] : [];
  fill($("groups"), ...choices.map((group) => h("button", { class: "pill", value: group, onclick: () => { wanted = group; sift(); } }, group || "all")));
  sift();
}

function sift() {
  const text = $("find").value.trim().toLowerCase();
  for (const [name, row] of rows) row.hidden = !name.toLowerCase().includes(text) || (wanted !== "" && groupOf(name) !== wanted);
  for (const pill of $("groups").children) pill.setAttribute("aria-pressed", String(pill.value === wanted));
  for (const heading of headings) heading.hidden = heading.tags.every((tag) => rows.get(tag).hidden);
}

async function set(fields, text, isUndo = false) {
  try {
    const { before } = await post("/api/tag", fields);
    toast(text, isUndo ? null : () => set(before, `${fields.tag}: as before`, true));
  } catch (error) { tell(error); }
}

function tagRow(tag, place) {
  const row = tinted(h("li", { class: "tag" }), tag.tag);
  const mute = h("button", { role: "switch", class: "switch", "aria-label": `Listen for ${tag.tag}` }, h("i"));
  const slider = h("input", { type: "range", min: 0.01, max: 1, step: 0.01, "aria-label": `Threshold of ${tag.tag}` });
  const number = h("output"), reset = h("button", { class: "quiet", "aria-label": `${tag.tag} as configured` }, "reset");
  const score = h("i", { class: "score" }), usual = h("u", { title: "usual threshold" });
  row.append(mute, h("b", {}, tag.tag), h("div", { class: "range" }, h("div", { class: "track" }, score, usual), slider), number, reset);
  Object.assign(row, { mute, slider, number, reset, score, usual, place });
  mute.addEventListener("click", () => {
    const { tag: name, own, muted } = row.tag;
    set({ tag: name, on: own, muted: !muted }, muted ? `${name}: listened for again` : `${name}: muted`);
  });
  slider.addEventListener("input", () => { number.textContent = percent(slider.valueAsNumber); });
  slider.addEventListener("change", () => {
    set({ tag: row.tag.tag, on: slider.valueAsNumber, muted: row.tag.muted }, `${row.tag.tag}: from ${percent(slider.valueAsNumber)} on`);
  });
  reset.addEventListener("click", () => set({ tag: row.tag.tag, on: null, muted: false }, `${row.tag.tag}: as configured`));
  rows.set(tag.tag, row);
  return row;
}

export function showScores() {
  if ($("tags").hidden) return;
  for (const row of rows.values()) row.score.style.transform = `scaleX(${scoreOf(row.place)})`;
}

export function startTags() {
  $("find").addEventListener("input", sift);
}
