// Who of the last minutes, or of a clip, would have been an event: by the settings in effect and by the tried ones.

import { get } from "./api.js";
import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { deviceTime, inWords } from "./words.js";

// The last seconds are replayed first; how many, follows the pace of the device.
const FIRST_S = { least: 5, begin: 15, most: 60 };
const FIRST_MS = { quick: 40, slow: 120 };
const SPANS = { 60: "the last minute", 600: "the last 10 minutes" };
const VERDICTS = {
  same: "the same",
  moved: "at another time",
  changed: "another event",
  gone: "no event any more",
  new: "a new event",
};
// With nothing moved; all ten minutes are much work for a small board.
const AGAIN_MS = 30000;

export function Replay({ tab, tried, isChanged, onLost }) {
  const [source, setSource] = useState("600");
  const [clips, setClips] = useState({ clips: [], refused: [] });
  const [outcome, setOutcome] = useState(null);
  const [problem, setProblem] = useState("");
  const [isReading, setReading] = useState(false);
  const [again, setAgain] = useState(0);
  const asked = useRef({ tried: 0, first: FIRST_S.begin });
  useEffect(() => {
    get("api/tune/clips").then(setClips, () => {});
    const timer = setInterval(() => setAgain((n) => n + 1), AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  useEffect(() => {
    if (!tried) return;
    let isCurrent = true;
    const ask = async (what) => {
      try {
        const answer = await get(`api/tune/replay?tab=${tab}&${what}`);
        if (!isCurrent || answer.superseded) return;
        if (answer.lost) return onLost();
        setProblem("");
        return answer;
      } catch (error) {
        if (isCurrent) setProblem(error.message);
      }
    };
    const all = async () => {
      if (!(source in SPANS)) {
        setReading(true);
        const answer = await ask(`clip=${encodeURIComponent(source)}`);
        if (isCurrent) setReading(false);
        if (answer) setOutcome(answer);
        return;
      }
      const { first } = asked.current;
      if (asked.current.tried !== tried && first < Number(source)) {
        const answer = await ask(`seconds=${first}`);
        if (!answer) return;
        asked.current = { tried, first: pace(first, answer.took_ms) };
        setOutcome((known) => joined(known, answer));
      }
      const answer = await ask(`seconds=${source}`);
      if (answer) setOutcome(answer);
    };
    all();
    return () => (isCurrent = false);
  }, [tried, source, SPANS[source] ? again : 0]);
  return html`<section class="replay" aria-label="Replay">
    <div class="toolbar">
      <h2>Who would have been an event</h2>
      <label>
        in
        <select value=${source} onChange=${(event) => setSource(event.target.value)}>
          ${Object.entries(SPANS).map(([seconds, name]) => html`<option value=${seconds}>${name}</option>`)}
          ${clips.clips.map((name) => html`<option value=${name}>clip ${name}</option>`)}
        </select>
      </label>
      ${isReading && html`<span role="status">The device reads the clip, which takes a while …</span>`}
    </div>
    ${problem && html`<p class="error" role="alert">${problem}</p>`}
    ${outcome && html`<p role="status" class="summary">${summary(outcome, isChanged)}</p><${People} outcome=${outcome} isChanged=${isChanged} />`}
    ${outcome?.rules.map((each) => html`<p class="note" key=${each.rule}>Rule ${each.rule}: ${acts(each.before)}${isChanged && each.after !== each.before ? html`, by yours <strong>${acts(each.after)}</strong>` : ""}.</p>`)}
    ${clips.folder && html`<p class="note">
      A clip in ${clips.folder} on the device can be chosen as well.
      ${clips.refused.map((sentence) => html`<br />Not offered: ${sentence}.`)}
    </p>`}
  </section>`;
}

function pace(first, took) {
  const wanted = took > FIRST_MS.slow ? first / 2 : took < FIRST_MS.quick ? 2 * first : first;
  return Math.min(FIRST_S.most, Math.max(FIRST_S.least, wanted));
}

// Those who had gone before the last seconds stay in the list until all is replayed, without a verdict.
function joined(known, answer) {
  const people = [...(known?.older ?? []), ...(known?.people ?? [])];
  const older = people.filter((each) => !each.is_position && goneAt(each) < answer.begins);
  return { ...answer, older: older.map((each) => ({ ...each, verdict: "older" })) };
}

const goneAt = ({ began, before, after }) => began + Math.max(...[...before, ...after].map((each) => each.after_s));

const acts = (n) => (n === 0 ? "does not act" : n === 1 ? "acts once" : `acts ${n} times`);

function summary({ people, older, span_s: span, approximate, judged }, isChanged) {
  const span_ = span < 90 ? `${Math.round(span)} s` : `${Math.round(span / 60)} min`;
  if (!people.length && !older?.length) return `No one was an event within ${span_}.`;
  const count = (verdict) => people.filter((each) => each.verdict === verdict).length;
  const parts = Object.keys(VERDICTS).filter(count).map((verdict) => `${count(verdict)} ${VERDICTS[verdict]}`);
  const about = approximate && isChanged ? ` Approximate: ${approximate} of ${judged} judgements are those of a picture before or after.` : "";
  const follows = older?.length ? " Those before follow …" : "";
  return `${people.length} people within ${span_}: ${isChanged ? parts.join(", ") : "move a slider to see what would change"}.${about}${follows}`;
}

function People({ outcome, isChanged }) {
  return html`<div class="wide" tabindex="0" role="region" aria-label="People of the replay">
    <table>
      <thead><tr><th scope="col">Came</th><th scope="col">By the settings in effect</th><th scope="col">By yours</th><th scope="col"></th></tr></thead>
      <tbody>
        ${[...(outcome.older ?? []), ...outcome.people].reverse().map(
          (each) => html`<tr key=${`${each.began}${each.verdict}`} class=${isChanged || each.verdict === "older" ? each.verdict : "same"} data-verdict=${each.verdict}>
            <td>${each.is_position ? `${each.began.toFixed(1)} s` : deviceTime(new Date(each.began * 1000).toISOString(), { timeStyle: "medium" })}</td>
            <td>${story(each.before)}</td>
            <td>${isChanged && each.verdict !== "older" ? story(each.after) : ""}</td>
            <td>${isChanged ? (VERDICTS[each.verdict] ?? "…") : ""}</td>
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

// The announcement, and what changed later.
function story(events) {
  const told = events.filter((each) => each.type !== "ended");
  if (!events.length) return "–";
  return (told.length ? told : events).map(
    (each, index) => html`${index > 0 && ", then "}<span class=${each.status === "unknown" ? "" : each.compliant ? "fine" : "wrong"}>${inWords(each.status)}</span>${" "}<small>after ${each.after_s.toFixed(1)} s${each.zones.length ? ` in ${each.zones.join(", ")}` : ""}</small>`,
  );
}
