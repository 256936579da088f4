// How times, numbers and statuses are written.

const WORDS = { with_mask: "mask", without_mask: "no mask", mask_weared_incorrect: "worn wrong", unknown: "unknown" };

export const inWords = (status) => WORDS[status] ?? status.replaceAll("_", " ");
export const percent = (share) => `${Math.round(100 * share)} %`;

// What a box or a row looks like: by the rule that holds here, not by the name of the label.
export function kind(status, compliant) {
  if (status === null || status === undefined) return "undecided";
  if (status === "unknown") return "unknown";
  return compliant.includes(status) ? "fine" : "wrong";
}

let deviceZone;

export function setDeviceZone(name) {
  try {
    new Intl.DateTimeFormat(undefined, { timeZone: name ?? "UTC" });
    deviceZone = name ?? "UTC";
  } catch {
    deviceZone = "UTC";
  }
}

export const zoneName = () => deviceZone;

const STYLE = { dateStyle: "short", timeStyle: "medium" };

const formats = {};
// Expensive to make.
const written = (iso, style, timeZone) =>
  (formats[JSON.stringify([style, timeZone])] ??= new Intl.DateTimeFormat(undefined, { ...style, timeZone })).format(new Date(iso));

export const deviceTime = (iso, style = STYLE) => written(iso, style, deviceZone);

export const viewerTime = (iso) => `${written(iso, STYLE)} where you are`;

export function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) return `${Math.floor(hours / 24)} d`;
  if (hours) return `${hours} h ${minutes % 60} min`;
  return minutes ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${seconds.toFixed(1)} s`;
}
