// Groups of tags, and a choice of a tag or of a whole group.
import { fill, h } from "./api.js";

const OTHERS = "others";
const groups = new Map();  // the group of each tag that is listened for

export function setGroups(tags) {
  groups.clear();
  for (const { tag, group } of tags) if (group) groups.set(tag, group);
}

export const groupOf = (tag) => groups.get(tag) || OTHERS;

// The names by their groups, in the order in which the listener has these; what has none comes last.
export function grouped(names) {
  const found = new Map([...new Set(groups.values()), OTHERS].map((group) => [group, []]));
  for (const name of names) found.get(groupOf(name)).push(name);
  return [...found].filter(([, tags]) => tags.length);
}

// Fill a choice; what was chosen stays so if it is still there.
export function offer(select, names) {
  const before = select.value, parts = grouped(names);
  const option = (value, text) => h("option", { value, selected: value === before }, text);
  const choices = (tags) => tags.map((tag) => option(`tag ${tag}`, tag));
  fill(select, option("", "all"), ...(parts.length < 2 ? choices(names)
    : parts.map(([group, tags]) => h("optgroup", { label: group }, option(`group ${group}`, `all ${group}`), ...choices(tags)))));
}

// What is chosen: a tag, a group, or neither.
export function chosen(select) {
  const [, kind, name] = /^(tag|group) (.*)$/s.exec(select.value) || [];
  return { tag: kind === "tag" ? name : "", group: kind === "group" ? name : "" };
}

export function isChosen(select) {
  const { tag, group } = chosen(select);
  return (name) => (!tag || name === tag) && (!group || groupOf(name) === group);
}
