// Lists of events, the clip's dialog, and verdicts.
import { $, clock, fill, get, h, lasted, percent, post, tell, tinted, toast } from "./api.js";
import { clipPicture, drawClip } from "./picture.js";

const known = new Map();  // id → its newest fields

export function remember(event) {
  const all = { ...known.get(event.id), ...event };
  known.set(event.id, all);
  if (known.size > 10000) known.delete(known.keys().next().value);
  return all;
}

export function eventRow(event) {
  const row = h("li", { "data-id": event.id });
  row.draw = () => {
    const now = known.get(event.id) || event;
    row.className = `event ${now.verdict || ""} ${now.duration_ms == null ? "open" : ""}`;
    fill(row,
      h("i", { class: "mark" }),
      h("time", { datetime: new Date(now.onset_ms).toISOString() }, clock(now.onset_ms)),
      h("b", {}, now.tag),
      h("span", { class: "facts" }, now.duration_ms == null ? "now" : lasted(now.duration_ms), h("span", {}, ` · ${percent(now.peak)}`),
        isNamed && now.source ? h("span", {}, ` · ${now.source}`) : null),
      h("span", { class: "acts" },
        now.clip ? h("button", { class: "round play", "aria-label": `Play ${now.tag} at ${clock(now.onset_ms)}`, onclick: () => openClip(now.id) }, "▶") : null,
        ...(now.is_kept && canJudge ? verdictButtons(now) : [])));
  };
  tinted(row, event.tag);
  row.draw();
  return row;
}

let canJudge = false, isNamed = false;
export const allowVerdicts = (allowed) => { canJudge = allowed; };
// Whether events say which source has heard them.
export const nameSources = (named) => { isNamed = named; };

function verdictButtons(event, isLarge = false) {
  return [["right", "✓"], ["wrong", "✗"]].map(([verdict, sign]) => h("button", {
    class: `${isLarge ? "large" : "round"} ${verdict}`,
    "aria-pressed": String(event.verdict === verdict),
    "aria-label": `${event.tag} at ${clock(event.onset_ms)} was ${verdict}`,
    title: verdict === "right" ? "It was that" : "It was not that",
    onclick: () => judge(event.id, event.verdict === verdict ? null : verdict),
  }, isLarge ? `${sign} ${verdict}` : sign));
}

async function judge(id, verdict, isUndo = false) {
  const before = known.get(id)?.verdict ?? null;
  try {
    const event = await post("/api/verdict", { id, verdict });
    show(event);
    const text = verdict ? `${event.tag}: marked ${verdict}` : `${event.tag}: mark taken back`;
    toast(text, isUndo ? null : () => judge(id, before, true));
  } catch (error) { tell(error); }
}

// Show what is new of an event, wherever it is shown.
export function show(event) {
  const now = remember(event);
  for (const row of document.querySelectorAll(`[data-id="${CSS.escape(event.id)}"]`)) {
    const focused = row.contains(document.activeElement) && document.activeElement.className;
    row.draw();
    if (focused) row.querySelector(`.${focused.split(" ").pop()}`)?.focus();
  }
  if ($("clip").open && $("clip").dataset.event === event.id) fill($("clip-verdict"), ...verdictButtons(now, true));
}

let picture = null, opening = null;

async function openClip(id) {
  const event = known.get(id), dialog = $("clip");
  opening = new AbortController();
  const { signal } = opening;
  dialog.dataset.event = id;
  tinted(dialog, event.tag);
  fill($("clip-title"), event.tag);
  const level = event.level == null ? "" : ` · ${Math.round(event.level)} dBFS`.replace("-", "−");
  fill($("clip-facts"), `${new Date(event.onset_ms).toLocaleString([], { hour12: false })} · ${lasted(event.duration_ms || 0)} · ${percent(event.peak)}${level}`);
  fill($("clip-verdict"), ...(canJudge ? verdictButtons(event, true) : []));
  picture.clear();
  dialog.showModal();
  try {
    const answer = await fetch(`/clips/${id}`, { signal });
    if (!answer.ok) throw new Error("the clip is no longer there");
    const sound = await answer.blob();
    const context = new OfflineAudioContext(1, 1, 16000);
    const decoded = await context.decodeAudioData(await sound.arrayBuffer());
    if (signal.aborted) return;
    $("player").src = URL.createObjectURL(sound);
    drawClip(picture, decoded.getChannelData(0), decoded.sampleRate);
    await $("player").play().catch(() => {});
  } catch (error) {
    if (signal.aborted) return;  // the dialog was closed meanwhile, and may show another clip
    dialog.close();
    tell(error);
  }
}

export function startClips() {
  const player = $("player"), dialog = $("clip");
  picture = clipPicture($("clip-picture"));
  const follow = () => {
    $("playhead").style.left = `${(100 * player.currentTime) / (player.duration || 1)}%`;
    if (dialog.open) requestAnimationFrame(follow);
  };
  player.addEventListener("play", follow);
  $("clip-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => { opening.abort(); player.pause(); URL.revokeObjectURL(player.src); player.removeAttribute("src"); });
  $("clip-picture").parentElement.addEventListener("click", (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    if (player.duration) player.currentTime = (player.duration * (event.clientX - box.left)) / box.width;
  });
}

// Events in the history have what live ones have not, such as a clip: ask for those of a list that have ended.
export async function complete(list) {
  const listed = [...list.children].map((row) => known.get(row.dataset.id));
  const ids = listed.filter((event) => event?.is_kept && event.duration_ms != null).map((event) => event.id);
  if (!ids.length) return;
  const found = await get(`/api/events?ids=${ids.join()}`);
  found.events.forEach(show);
}
