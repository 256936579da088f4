// Who of the last minutes, or of a clip, would have been an event: by the settings in effect and by the tried ones.

import { get } from "./api.js";
import { html, useLayoutEffect, useRef, useState } from "./vendor/preact.js";
import { deviceTime, inWords } from "./words.js";

// The last seconds are replayed first, and all once nothing has moved for so long.
const REST_MS = 300;
const FIRST = "seconds=first";
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
  const asked = useRef();
  useLayoutEffect(() => void get("api/tune/clips").then(setClips, () => {}), []);
  useLayoutEffect(() => {
    if (!tried) return;
    let isCurrent = true;
    let timer;
    const ask = async (what) => {
      try {
        const answer = await get(`api/tune/replay?tab=${tab}&${what}`);
        if (!isCurrent || answer.superseded) return;
        if (answer.lost) return (isCurrent = false), onLost();
        setProblem("");
        setOutcome((known) => drawn(answer, isChanged, what === FIRST && known));
        return true;
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
      if (asked.current !== tried && (await ask(FIRST))) {
        asked.current = tried;
        await new Promise((done) => setTimeout(done, REST_MS));
      }
      if (isCurrent) await ask(`seconds=${source}`);
      if (isCurrent) timer = setTimeout(() => setAgain((n) => n + 1), AGAIN_MS);
    };
    all();
    return () => ((isCurrent = false), clearTimeout(timer));
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
    ${outcome?.drawn}
    ${clips.folder && html`<p class="note">
      A clip in ${clips.folder} on the device can be chosen as well.
      ${clips.refused.map((sentence) => html`<br />Not offered: ${sentence}.`)}
    </p>`}
  </section>`;
}

// Drawn once, not with each move of a slider. Those of `known` stay who had gone before.
function drawn(answer, isChanged, known) {
  const older = known ? known.rows.filter(({ person }) => !person.is_position && goneAt(person) < answer.begins) : [];
  const fresh = answer.people.map((person) => ({ person, row: asRow(person, isChanged) }));
  return {
    rows: [...older, ...fresh],
    drawn: html`<p role="status" class="summary">${summary(answer, isChanged, older.length)}</p>
      ${table(older, fresh)}
      ${answer.rules.map(({ rule, before, after }) => html`<p class="note" key=${rule}>Rule ${rule}: ${acts(before)}${isChanged && after !== before ? html`, by yours <strong>${acts(after)}</strong>` : ""}.</p>`)}`,
  };
}

const goneAt = ({ began, before, after }) => began + Math.max(...[...before, ...after].map((each) => each.after_s));

const acts = (n) => (n === 0 ? "does not act" : n === 1 ? "acts once" : `acts ${n} times`);

function summary({ people, span_s: span, approximate, judged }, isChanged, older) {
  const span_ = span < 90 ? `${Math.round(span)} s` : `${Math.round(span / 60)} min`;
  if (!people.length && !older) return `No one was an event within ${span_}.`;
  const count = (verdict) => people.filter((each) => each.verdict === verdict).length;
  const parts = Object.keys(VERDICTS).filter(count).map((verdict) => `${count(verdict)} ${VERDICTS[verdict]}`);
  const about = approximate && isChanged ? ` Approximate: ${approximate} of ${judged} judgements are those of a picture before or after.` : "";
  const follows = older ? " Those before follow …" : "";
  return `${people.length} people within ${span_}: ${isChanged ? parts.join(", ") : "move a slider to see what would change"}.${about}${follows}`;
}

function table(older, fresh) {
  return html`<div class="wide" tabindex="0" role="region" aria-label="People of the replay">
    <table>
      <thead><tr><th scope="col">Came</th><th scope="col">By the settings in effect</th><th scope="col">By yours</th><th scope="col"></th></tr></thead>
      <tbody>${newestFirst(older.length ? fresh : [])}</tbody>
      <tbody class=${older.length ? "older" : ""}>${newestFirst(older.length ? older : fresh)}</tbody>
    </table>
  </div>`;
}

const newestFirst = (rows) => rows.map(({ row }) => row).reverse();

function asRow({ began, is_position, verdict, before, after }, isChanged) {
  return html`<tr key=${began} class=${isChanged ? verdict : "same"} data-verdict=${verdict}>
    <td>${is_position ? `${began.toFixed(1)} s` : deviceTime(new Date(began * 1000).toISOString(), { timeStyle: "medium" })}</td>
    <td>${story(before)}</td>
    <td>${isChanged ? story(after) : ""}</td>
    <td>${isChanged ? VERDICTS[verdict] : ""}</td>
  </tr>`;
}

// The announcement, and what changed later.
function story(events) {
  const told = events.filter((each) => each.type !== "ended");
  if (!events.length) return "–";
  return (told.length ? told : events).map(
    (each, index) => html`${index > 0 && ", then "}<span class=${each.status === "unknown" ? "" : each.compliant ? "fine" : "wrong"}>${inWords(each.status)}</span>${" "}<small>after ${each.after_s.toFixed(1)} s${each.zones.length ? ` in ${each.zones.join(", ")}` : ""}</small>`,
  );
}
