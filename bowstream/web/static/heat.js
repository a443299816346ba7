// Heat maps as tables: the more events, the deeper; a screen reader reads the numbers.
import { $, fill, get, h, lastOf, tell } from "./api.js";
import { chosen, offer } from "./groups.js";

const HOURS = Array.from({ length: 24 }, (_, hour) => hour);
const getHeat = lastOf(get);

export async function showHeat() {
  const days = $("heat-days").value, { tag, group } = chosen($("heat-tag"));
  let found;
  try {
    found = await getHeat(`/api/heat?${new URLSearchParams({ days, tag, group })}`);
  } catch (error) { return tell(error); }
  if (!found) return null;
  offer($("heat-tag"), tag && !found.heard.includes(tag) ? [tag, ...found.heard] : found.heard);
  const highest = Math.max(1, ...found.counts.flat());
  const day = (text) => new Date(`${text}T12:00:00`).toLocaleDateString([], { weekday: "short", day: "numeric" });
  const rows = found.days.map((text, index) => [day(text), found.counts[index], found.listened_s[index], text]).reverse();
  fill($("heat"), table(`Events per hour${tag || group ? ` of ${tag || group}` : ""}, last ${days} days`, "Day", rows, () => highest));
  fill($("heat-key"), ...[1, 2, 3, 4].filter((level) => range(level, highest)).map((level) => h("span", {}, h("i", { class: `l${level}` }), range(level, highest))),
    h("span", {}, h("i", { class: "l0" }), "nothing"), h("span", {}, h("i", { class: "deaf" }), "not listening"));
  const most = found.tags.map((one) => [one.tag, one.hours, null]);
  fill($("tag-heat"), most.length ? table("Events per hour of the day and tag", "Tag", most, (hours) => Math.max(1, ...hours)) : h("p", { class: "empty" }, "Nothing was heard yet."));
  return null;
}

const EDGES = [0, 0.07, 0.25, 0.55, 1];
const level = (count, highest) => (count ? EDGES.findIndex((edge) => count <= Math.ceil(edge * highest)) : 0);

function range(wanted, highest) {
  const low = Math.ceil(EDGES[wanted - 1] * highest) + 1, high = Math.ceil(EDGES[wanted] * highest);
  return low > high ? "" : low === high ? `${low}` : `${low}–${high}`;
}

function table(caption, corner, rows, highestOf) {
  const head = h("tr", {}, h("th", { scope: "col" }, corner), ...HOURS.map((hour) => h("th", { scope: "col" }, h("span", { class: hour % 6 ? "odd" : "" }, String(hour)))), h("th", { scope: "col", class: "sum" }, "∑"));
  const body = rows.map(([name, counts, ears, text]) => h("tr", {}, h("th", { scope: "row" }, name),
    ...counts.map((count, hour) => {
      if (ears && !count && new Date(`${text}T${String(hour).padStart(2, "0")}:00:00`) > new Date()) return h("td");
      const deaf = ears && !ears[hour] && !count;
      return h("td", { class: deaf ? "deaf" : `l${level(count, highestOf(counts))}`, title: `${name}, ${hour}:00: ${deaf ? "not listening" : count}` }, h("span", {}, deaf ? "–" : String(count)));
    }),
    h("td", { class: "sum" }, String(counts.reduce((sum, count) => sum + count, 0)))));
  return h("table", {}, h("caption", { class: "hidden" }, caption), h("thead", {}, head), h("tbody", {}, ...body));
}

export function startHeat() {
  $("heat-days").addEventListener("change", showHeat);
  $("heat-tag").addEventListener("change", showHeat);
}
