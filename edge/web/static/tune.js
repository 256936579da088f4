// Settings and zones are tried here on the live picture and on the last minutes, and saved when they fit.

import { get, post } from "./api.js";
import { Conflict } from "./conflict.js";
import { Replay } from "./replay.js";
import { Sliders } from "./sliders.js";
import { TunePicture } from "./tune_picture.js";
import { html, useLayoutEffect, useMemo, useRef, useState } from "./vendor/preact.js";
import { ZoneList, asZones, fromZones, renames } from "./zones.js";

const TAB = [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const NOTHING = { values: {}, zones: {} };
const key = (setting) => `${setting.camera}/${setting.setting}`;

export function Tune({ about, status, revision, isPrivate, socket, pictures }) {
  const [state, setState] = useState(null);
  const [camera, setCamera] = useState(Object.keys(about.cameras)[0]);
  const [isForAll, setForAll] = useState(false);
  const [wanted, setWanted] = useState(NOTHING);
  const [said, setSaid] = useState("");
  const [problem, setProblem] = useState("");
  const [conflict, setConflict] = useState(null);
  const [tried, setTried] = useState(null);
  const isOwner = about.role === "owner";
  const isChanged = Object.keys(wanted.values).length + Object.keys(wanted.zones).length > 0;

  const load = async () => {
    const now = await get("api/tune");
    setState(now);
    return now;
  };
  useLayoutEffect(() => {
    load().then((now) => {
      const proposed = fromQuery(now, about);
      if (!proposed) return;
      setForAll(proposed.isForAll);
      setCamera(proposed.camera);
      setWanted({ values: proposed.values, zones: {} });
      setSaid("These values come from the address, as maskd tune proposes them. They are not in effect yet.");
    }, complain);
  }, []);
  // What someone else has changed shows as soon as nothing here would be lost.
  useLayoutEffect(() => {
    if (state && revision && revision !== state.revision && !isChanged) load().catch(complain);
  }, [revision, isChanged]);

  const proposal = useMemo(() => asProposal(camera, wanted), [camera, wanted]);
  const complain = (error) => setProblem(error.message);
  useTrial(proposal, state?.revision, isPrivate, (answer) => (setProblem(""), setTried(answer)), complain);
  useLayoutEffect(() => {
    socket.watch(isPrivate ? [] : [camera], TAB);
    return () => socket.watch([]);
  }, [camera, isPrivate]);

  if (!state) return problem ? html`<p class="error" role="alert">${problem}</p>` : html`<p class="note">…</p>`;
  const zones = wanted.zones[camera] ?? fromZones(state.zones[camera]);
  const setZones = (own) => setWanted((now) => ({ ...now, zones: { ...now.zones, [camera]: own } }));
  const setValue = (setting, value) => {
    const cameras = isForAll ? Object.keys(state.zones) : [camera];
    setSaid("");
    setWanted((now) => {
      const values = { ...now.values };
      for (const each of state.settings.filter((one) => one.setting === setting && cameras.includes(one.camera))) {
        if (value === each.own || (value === each.value && each.own === null)) delete values[key(each)];
        else values[key(each)] = value;
      }
      return { ...now, values };
    });
  };
  const discard = () => (setWanted(NOTHING), setSaid(""), setProblem(""), setConflict(null));
  const save = async (keep, from = state.revision, what = proposal) => {
    setProblem("");
    try {
      const answer = await post("api/tune/save", JSON.stringify({ ...what, keep, revision: from }));
      setState(answer);
      discard();
      setSaid(answer.kept);
    } catch (error) {
      if (error.status === 409) setConflict({ ...error.answer, keep });
      else complain(error);
    }
  };
  const yield_ = async (theirs) => {
    const now = await load();
    const lost = new Set(theirs.map(({ camera, setting }) => `${camera}/${setting}`));
    setWanted(({ values, zones }) => ({
      values: Object.fromEntries(Object.entries(values).filter(([name]) => !lost.has(name))),
      zones: Object.fromEntries(Object.entries(zones).filter(([name]) => !lost.has(`${name}/zones`))),
    }));
    setConflict(null);
    return now;
  };
  const runs = state.zones_for_this_run.length > 0 || state.settings.some((each) => each.kept === "this run only");
  const names = Object.keys(state.zones);
  return html`
    <div class="toolbar">
      ${names.length > 1 &&
      html`<label>
          camera
          <select value=${camera} onChange=${(event) => setCamera(event.target.value)}>
            ${names.map((name) => html`<option>${name}</option>`)}
          </select>
        </label>
        <label>
          <input type="checkbox" checked=${isForAll} onChange=${(event) => setForAll(event.target.checked)} />
          sliders move all cameras
        </label>`}
      <span class="note">Nothing is in effect before you save it.</span>
    </div>
    ${conflict &&
    html`<${Conflict}
      conflict=${conflict}
      settings=${state.settings}
      onTheirs=${() => yield_(conflict.changes)}
      onMine=${() => (setConflict(null), load().then(() => save(conflict.keep, conflict.revision)))}
      onDiscard=${() => (discard(), load())}
    />`}
    <div class="tune">
      <div>
        <${TunePicture} ...${{ camera, state: status?.cameras[camera], isPrivate, pictures, zones, setZones, isChanged, tried }} />
        ${!isPrivate && html`<${Replay} tab=${TAB} tried=${tried} isChanged=${isChanged} onLost=${() => setWanted((now) => ({ ...now }))} />`}
      </div>
      <section class="panel" aria-label="Settings">
        <${Sliders} settings=${state.settings.filter((each) => each.camera === camera)} values=${wanted.values} set=${setValue} />
        <${ZoneList} labels=${state.labels} zones=${zones} setZones=${setZones} />
        ${isOwner
          ? html`<div class="toolbar" role="group" aria-label="Keep the changes">
              <button class="main" disabled=${!isChanged} onClick=${() => save("file")}>Save</button>
              <button disabled=${!isChanged} onClick=${() => save("run")}>Use for this run only</button>
              <button disabled=${!isChanged} onClick=${discard}>Revert</button>
              ${runs &&
              html`<button onClick=${() => post("api/tune/revert").then(setState).then(discard, complain)}>
                End what holds for this run only
              </button>`}
            </div>`
          : html`<p class="note">This login looks on: it may try everything here, and save nothing.</p>`}
        ${said && html`<p role="status">${said}</p>`}
        ${problem && html`<p class="error" role="alert">${problem}</p>`}
        ${isOwner && html`<p class="note" title=${state.file}>
          Saved values go into ${state.file ? `${state.file.split("/").pop()}, whose comments stay` : "overrides.json, for there is no config.yaml"}.
        </p>`}
      </section>
    </div>
  `;
}

// Tells the device what is tried, one after another, and always the newest in the end.
function useTrial(proposal, revision, isPrivate, onTried, onProblem) {
  const newest = useRef(null);
  const isBusy = useRef(false);
  useLayoutEffect(() => {
    if (!revision || isPrivate) return;
    newest.current = proposal;
    const send = async () => {
      if (isBusy.current) return;
      isBusy.current = true;
      while (newest.current) {
        const next = newest.current;
        newest.current = null;
        try {
          onTried(await post("api/tune/try", JSON.stringify(next)));
        } catch (error) {
          onProblem(error);
        }
      }
      isBusy.current = false;
    };
    send();
  }, [proposal, revision, isPrivate]);
}

function asProposal(camera, { values, zones }) {
  return {
    tab: TAB,
    camera,
    values: Object.entries(values).map(([name, value]) => {
      const [of, setting] = name.split("/");
      return { camera: of, setting, value };
    }),
    zones: Object.fromEntries(Object.entries(zones).map(([name, own]) => [name, asZones(own)])),
    renamed: Object.fromEntries(Object.entries(zones).map(([name, own]) => [name, renames(own)])),
  };
}

// `?detector.min_score=0.49&camera=door`; without a camera it is for all.
function fromQuery(state, about) {
  const query = new URLSearchParams(location.search);
  const named = query.get("camera");
  const camera = named in about.cameras ? named : Object.keys(about.cameras)[0];
  const values = {};
  for (const each of state.settings) {
    const text = query.get(`${each.section}.${each.setting}`);
    const value = text === null || text === "" ? NaN : Number(text);
    if (Number.isFinite(value) && (!(named in about.cameras) || each.camera === named)) values[key(each)] = value;
  }
  return Object.keys(values).length ? { values, camera, isForAll: !(named in about.cameras) } : null;
}
