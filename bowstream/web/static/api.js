// Requests, and elements made of plain text: nothing that was heard, named or typed is ever read as HTML.

export async function get(path) {
  return answered(await fetch(path));
}

export async function post(path, fields) {
  return answered(await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(fields),
  }));
}

// Of several questions in a row only the last one's answer counts: that of an earlier one is null.
export function lastOf(ask) {
  let last = 0;
  return async (...asked) => {
    const number = ++last;
    try {
      const answer = await ask(...asked);
      return number === last ? answer : null;
    } catch (error) {
      if (number === last) throw error;
      return null;
    }
  };
}

async function answered(answer) {
  if (answer.status === 401 && location.pathname !== "/login") location.assign("/login");
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(found.error || `the listener answered ${answer.status}`);
  return found;
}

export const $ = (id) => document.getElementById(id);

const SVG = "http://www.w3.org/2000/svg";
const DRAWN = new Set(["svg", "path", "rect", "line", "text", "g", "title"]);

export function h(name, traits = {}, ...children) {
  const made = DRAWN.has(name) ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(traits)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

export const fill = (place, ...children) => place.replaceChildren(...children);

export const clock = (ms) => new Date(ms).toLocaleTimeString([], { timeStyle: "medium", hourCycle: "h23" });

export function lasted(ms) {
  const s = Math.round(ms / 1000), min = Math.round(s / 60);
  if (ms < 59950) return `${(ms / 1000).toFixed(1)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(min / 60)} h ${min % 60} min`;
}

export const percent = (score) => `${Math.round(score * 100)} %`;

// A colour of its own for each tag, the same on every page.
export function hue(tag) {
  let sum = 2166136261;
  for (const letter of tag) sum = Math.imul(sum ^ letter.codePointAt(0), 16777619) >>> 0;
  return ((sum >>> 8) % 24) * 15;
}

export function tinted(element, tag) {
  element.style.setProperty("--hue", hue(tag).toFixed(0));
  return element;
}

let fading = 0;

export function toast(text, undo) {
  const place = $("toast");
  clearTimeout(fading);
  const button = undo && h("button", { class: "quiet", onclick: () => { fill(place); undo(); } }, "Undo");
  fill(place, h("p", {}, h("span", {}, text), button));
  fading = setTimeout(() => fill(place), undo ? 10000 : 5000);
}

export const tell = (error) => toast(error.message);
