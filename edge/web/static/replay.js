// Who of the last minutes, or of a clip, would have been an event: by the settings in effect and by the tried ones.

import { get } from "./api.js";
import { html, useEffect, useState } from "./vendor/preact.js";
import { deviceTime, inWords } from "./words.js";

const FIRST_S = 30;
const SPANS = { 60: "the last minute", 600: "the last 10 minutes" };
const VERDICTS = {
  same: "the same",
  moved: "at another time",
  changed: "another event",
  gone: "no event any more",
  new: "a new event",
};
const AGAIN_MS = 10000;

export function Replay({ tab, tried, isChanged, onLost }) {
  const [source, setSource] = useState("600");
  const [clips, setClips] = useState({ clips: [], refused: [] });
  const [outcome, setOutcome] = useState(null);
  const [problem, setProblem] = useState("");
  const [isReading, setReading] = useState(false);
  const [again, setAgain] = useState(0);
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
        if (answer.lost) onLost();
        else (setOutcome(answer), setProblem(""));
      } catch (error) {
        if (isCurrent) setProblem(error.message);
      }
    };
    const all = async () => {
      if (!(source in SPANS)) {
        setReading(true);
        await ask(`clip=${encodeURIComponent(source)}`);
        if (isCurrent) setReading(false);
        return;
      }
      // The last seconds first, so that a slider answers at once; then all.
      await ask(`seconds=${FIRST_S}`);
      if (isCurrent && Number(source) > FIRST_S) await ask(`seconds=${source}`);
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
    ${clips.folder && html`<p class="note">
      A clip in ${clips.folder} on the device can be chosen as well.
      ${clips.refused.map((sentence) => html`<br />Not offered: ${sentence}.`)}
    </p>`}
  </section>`;
}

function summary({ people, span_s: span, approximate, judged }, isChanged) {
  const span_ = span < 90 ? `${Math.round(span)} s` : `${Math.round(span / 60)} min`;
  if (!people.length) return `No one was an event within ${span_}.`;
  const count = (verdict) => people.filter((each) => each.verdict === verdict).length;
  const parts = Object.keys(VERDICTS).filter(count).map((verdict) => `${count(verdict)} ${VERDICTS[verdict]}`);
  const about = approximate && isChanged ? ` Approximate: ${approximate} of ${judged} judgements are those of a picture before or after.` : "";
  return `${people.length} people within ${span_}: ${isChanged ? parts.join(", ") : "move a slider to see what would change"}.${about}`;
}

function People({ outcome, isChanged }) {
  return html`<div class="wide" tabindex="0" role="region" aria-label="People of the replay">
    <table>
      <thead><tr><th scope="col">Came</th><th scope="col">By the settings in effect</th><th scope="col">By yours</th><th scope="col"></th></tr></thead>
      <tbody>
        ${[...outcome.people].reverse().map(
          (each) => html`<tr key=${`${each.began}${each.verdict}`} class=${isChanged ? each.verdict : "same"} data-verdict=${each.verdict}>
            <td>${each.is_position ? `${each.began.toFixed(1)} s` : deviceTime(new Date(each.began * 1000).toISOString(), { timeStyle: "medium" })}</td>
            <td>${story(each.before)}</td>
            <td>${isChanged ? story(each.after) : ""}</td>
            <td>${isChanged ? VERDICTS[each.verdict] : ""}</td>
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
