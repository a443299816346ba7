// Is all well?
import { $, fill, h, lasted } from "./api.js";

const seconds = (value) => lasted(value * 1000);
const milli = (value) => `${value.toFixed(1)} ms`;
const plain = (value) => String(value);
// Name, how it is written, and whether a value is a worry.
const VITALS = {
  heard_s: ["Heard", seconds],
  lost_s: ["Lost", (value) => `${value.toFixed(2)} s`, (value) => value > 0],
  gaps: ["Gaps", plain, (value) => value > 0],
  overflows: ["Overflows", plain, (value) => value > 0],
  clipped: ["Samples at full scale", plain, (value) => value > 0],
  silent_s: ["Silence", seconds, (value) => value > 60],
  level_dbfs: ["Level", (value) => `${value.toFixed(0).replace("-", "−")} dBFS`],
  latency_p50_ms: ["Latency, median", milli],
  latency_p95_ms: ["Latency, 95 %", milli, (value) => value > 100],
  real_time_factor: ["Share of the processor", (value) => `${(value * 100).toFixed(1)} %`, (value) => value > 0.5],
  undelivered: ["Undelivered by sinks", plain, (value) => value > 0],
  reconnects: ["Came back", plain, (value) => value > 0],
  late_s: ["Held up on its way", (value) => `${value.toFixed(2)} s`, (value) => value > 1],
  delay_s: ["Behind the sender's clock", (value) => `${value.toFixed(2)} s`],
  drift_ppm: ["Its clock is fast by", (value) => `${value.toFixed(0)} ppm`],
  temperature_c: ["Processor", (value) => `${value.toFixed(0)} °C`, (value) => value > 80],
  throttled: ["Held back by", (value) => value || "nothing", (value) => Boolean(value)],
};

export function showHealth(report) {
  const found = Object.entries(VITALS).filter(([name]) => report[name] != null);
  const worries = found.filter(([name, [, , worry]]) => worry?.(report[name])).map(([, [title]]) => title.toLowerCase());
  fill($("well"), worries.length ? `Look at: ${worries.join(" · ")}` : "All is well.");
  fill($("vitals"), ...found.map(([name, [title, write, worry]]) =>
    h("div", { class: worry?.(report[name]) ? "worry" : "" }, h("dt", {}, title), h("dd", {}, write(report[name])))));
}
