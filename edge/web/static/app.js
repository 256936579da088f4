// The frame of the page: what every view needs, and which view is shown.

import { LiveSocket, get } from "./api.js";
import { Events } from "./events.js";
import { Live } from "./live.js";
import { Places } from "./places.js";
import { Trends } from "./trends.js";
import { Tune } from "./tune.js";
import { html, render, useEffect, useRef, useState } from "./vendor/preact.js";
import { setDeviceZone } from "./words.js";

const VIEWS = {
  live: ["Live", Live],
  tune: ["Tune", Tune],
  events: ["Events", Events],
  trends: ["Trends", Trends],
  places: ["Places", Places],
};
// An address with settings in it, as `maskd tune` prints it, leads to where they are tried.
const first = [...new URLSearchParams(location.search).keys()].some((key) => key.includes(".")) ? "tune" : "live";
const named = () => (location.hash.slice(1) in VIEWS ? location.hash.slice(1) : first);

function App({ about }) {
  const [view, setView] = useState(named());
  const [status, setStatus] = useState(null);
  const [revision, setRevision] = useState(null);
  const [isConnected, setConnected] = useState(false);
  const [events, setEvents] = useState([]);
  const [pictured, setPictured] = useState([]);
  const pictures = useRef(new Map());
  const [socket] = useState(
    () =>
      new LiveSocket({
        onPicture: (header, blob) => pictures.current.get(header.camera)?.(header, blob),
        onText: (told) => {
          if (told.type === "status") (setStatus(told.status), setRevision(told.revision));
          else if (told.type === "event") setEvents((known) => [told.event, ...known].slice(0, 200));
          else if (told.type === "snapshot") setPictured((known) => [told.event, ...known].slice(0, 200));
          else setEvents([]);
        },
        onState: setConnected,
      }),
  );
  const isPrivate = (status?.privacy ?? about.privacy) === "aggregate";
  useEffect(() => {
    const follow = () => setView(named());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  useEffect(() => {
    if (isPrivate) setEvents([]);
  }, [isPrivate]);
  const [, View] = VIEWS[view];
  const signOut = async () => {
    await fetch("sign-out", { method: "POST", redirect: "manual" });
    location.assign("sign-in");
  };
  return html`
    <header>
      <h1>maskd <span>on ${about.device}</span></h1>
      <nav aria-label="Views">
        ${Object.entries(VIEWS).map(
          ([name, [title]]) =>
            html`<a href=${`#${name}`} aria-current=${name === view ? "page" : undefined}>${title}</a>`,
        )}
      </nav>
      <button class="plain" onClick=${signOut}>Sign out</button>
    </header>
    ${!isConnected && html`<p class="note" role="status">Connecting to the device …</p>`}
    <${Problems} status=${status} />
    <main>
      ${isPrivate && html`<${PrivacyNote} />`}
      ${(view === "live" || !isPrivate) &&
      html`<${View} ...${{ about, status, revision, isPrivate, events, pictured, socket, pictures: pictures.current }} />`}
    </main>
  `;
}

function PrivacyNote() {
  return html`<p class="note">
    Privacy is <b>aggregate</b>: there is no picture, no label and no event of a single person here, only counts of closed
    windows.
  </p>`;
}

function Problems({ status }) {
  if (!status?.problems.length) return null;
  return html`<section class="problems" aria-label="Problems">
    <h2>${status.problems.length === 1 ? "1 problem" : `${status.problems.length} problems`}</h2>
    <ul>
      ${status.problems.map((problem) => html`<li key=${problem}>${problem}</li>`)}
    </ul>
  </section>`;
}

const about = await get("api/about");
setDeviceZone(about.time_zone);
document.title = `maskd on ${about.device}`;
render(html`<${App} about=${about} />`, document.body);
