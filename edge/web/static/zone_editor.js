// Zones drawn over the picture: by mouse, finger and keyboard. Points are in fractions of the picture.

import { html, useRef, useState } from "./vendor/preact.js";
import { freshName } from "./zones.js";

const STEP = 0.01;
const BIG_STEP = 0.05;
const CLOSE_PX = { mouse: 14, touch: 28 };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const within = (value) => Math.round(Math.min(1, Math.max(0, value)) * 1000) / 1000;
const moved = ([x, y], [dx, dy]) => [within(x + dx), within(y + dy)];

// `picture`: what lies below; the children lie over it, below the zones.
export function ZoneEditor({ size, zones, setZones, picture, children }) {
  const [width, height] = size;
  const svg = useRef(null);
  const [drawn, setDrawn] = useState(null);
  const grabbed = useRef(null);
  const replace = (name, corners) =>
    setZones(zones.map((zone) => (zone.name === name ? { ...zone, corners } : zone)));
  const remove = (name) => setZones(zones.filter((zone) => zone.name !== name));
  const place = (event) => {
    const box = svg.current.getBoundingClientRect();
    return [within((event.clientX - box.left) / box.width), within((event.clientY - box.top) / box.height)];
  };
  const add = (corners) => {
    setZones([...zones, { name: freshName(zones), from: null, corners, compliant: null, dwell_s: 0, ignore: false }]);
    setDrawn(null);
  };

  const grab = (event, zone, corner) => {
    if (drawn || event.button > 0) return;
    event.preventDefault();
    event.target.focus?.();
    event.target.setPointerCapture?.(event.pointerId);
    grabbed.current = { name: zone.name, corner, at: place(event), corners: zone.corners };
  };
  const drag = (event) => {
    const held = grabbed.current;
    if (!held) return;
    const at = place(event);
    const by = [at[0] - held.at[0], at[1] - held.at[1]];
    replace(held.name, held.corner === null ? shifted(held.corners, by) : held.corners.map((point, i) => (i === held.corner ? at : point)));
  };
  const insert = (event, zone, after) => {
    const corners = [...zone.corners.slice(0, after + 1), place(event), ...zone.corners.slice(after + 1)];
    replace(zone.name, corners);
    grabbed.current = { name: zone.name, corner: after + 1, at: place(event), corners };
    svg.current.setPointerCapture(event.pointerId);
    event.preventDefault();
  };
  const draw = (event) => {
    if (!drawn) return;
    const at = place(event);
    const box = svg.current.getBoundingClientRect();
    const [first] = drawn;
    const isClosed = first && Math.hypot((at[0] - first[0]) * box.width, (at[1] - first[1]) * box.height) < (CLOSE_PX[event.pointerType] ?? CLOSE_PX.mouse);
    if (isClosed && drawn.length >= 3) add(drawn);
    else if (!isClosed) setDrawn([...drawn, at]);
  };

  const onKey = (event, zone, corner) => {
    const step = event.shiftKey ? BIG_STEP : STEP;
    const arrow = ARROWS[event.key];
    const { corners } = zone;
    if (arrow) {
      const by = [arrow[0] * step, arrow[1] * step];
      replace(zone.name, corner === null ? shifted(corners, by) : corners.map((point, i) => (i === corner ? moved(point, by) : point)));
    } else if (event.key === "Delete" || event.key === "Backspace") {
      if (corner === null) remove(zone.name);
      else if (corners.length > 3) replace(zone.name, corners.filter((_, i) => i !== corner));
    } else if (corner !== null && (event.key === "+" || event.key === "Insert")) {
      const next = corners[(corner + 1) % corners.length];
      const middle = [0, 1].map((axis) => within((corners[corner][axis] + next[axis]) / 2));
      replace(zone.name, [...corners.slice(0, corner + 1), middle, ...corners.slice(corner + 1)]);
    } else return;
    event.preventDefault();
  };
  const text = (points) => points.map(([x, y]) => `${x * width},${y * height}`).join(" ");
  const dot = height / 60;
  return html`
    <div class="picture">${picture}<svg
      ref=${svg}
      class=${`editor ${drawn ? "drawing" : ""}`}
      viewBox=${`0 0 ${width} ${height}`}
      onPointerDown=${draw}
      onPointerMove=${drag}
      onTouchMove=${(event) => grabbed.current && event.preventDefault() /* else the browser takes the finger to scroll */}
      onPointerUp=${() => (grabbed.current = null)}
      onPointerCancel=${() => (grabbed.current = null)}
      role="group"
      aria-label="Zones on the picture"
    >
      <g aria-hidden="true">${children}</g>
      ${zones.map(
        (zone) => html`<g class=${`zone ${zone.ignore ? "ignored" : ""}`} key=${zone.key ?? zone.name}>
          <polygon
            points=${text(zone.corners)}
            tabindex="0"
            role="button"
            aria-label=${`Zone ${zone.name}: arrow keys move it, Delete removes it`}
            onPointerDown=${(event) => grab(event, zone, null)}
            onKeyDown=${(event) => onKey(event, zone, null)}
          />
          <text aria-hidden="true" x=${zone.corners[0][0] * width + dot} y=${zone.corners[0][1] * height + 2.5 * dot} font-size=${height / 26}>${zone.name}</text>
          ${zone.corners.map((point, i) => {
            const next = zone.corners[(i + 1) % zone.corners.length];
            return html`<circle class="between" aria-hidden="true" cx=${((point[0] + next[0]) / 2) * width} cy=${((point[1] + next[1]) / 2) * height} r=${dot * 0.8} onPointerDown=${(event) => insert(event, zone, i)} />`;
          })}
          ${zone.corners.map(
            (point, i) => html`<circle
              class="corner"
              cx=${point[0] * width}
              cy=${point[1] * height}
              r=${dot * 1.3}
              tabindex="0"
              role="button"
              aria-label=${`Corner ${i + 1} of ${zone.name}, ${Math.round(100 * point[0])} % across, ${Math.round(100 * point[1])} % down: arrow keys move it, + adds one, Delete removes it`}
              onPointerDown=${(event) => grab(event, zone, i)}
              onDblClick=${() => zone.corners.length > 3 && replace(zone.name, zone.corners.filter((_, other) => other !== i))}
              onKeyDown=${(event) => onKey(event, zone, i)}
            />`,
          )}
        </g>`,
      )}
      ${drawn && html`<polyline class="draft" points=${text(drawn)} />${drawn.map(([x, y]) => html`<circle class="corner" cx=${x * width} cy=${y * height} r=${dot * 1.3} />`)}`}
    </svg></div>
    <div class="tools" role="group" aria-label="Draw zones">
      ${drawn
        ? html`<span role="status">Set the corners on the picture, at least 3: ${drawn.length} so far.</span>
            <button disabled=${drawn.length < 3} onClick=${() => add(drawn)}>Finish the zone</button>
            <button onClick=${() => setDrawn(null)}>Cancel</button>`
        : html`<button onClick=${() => setDrawn([])}>Draw a zone</button>
            <button onClick=${() => add([[0.3, 0.3], [0.7, 0.3], [0.7, 0.7], [0.3, 0.7]])}>Add a rectangle</button>`}
    </div>
  `;
}

// The whole outline by the same distance, as far as the picture goes.
function shifted(corners, by) {
  const free = by.map((step, axis) => {
    const values = corners.map((point) => point[axis]);
    return Math.max(-Math.min(...values), Math.min(1 - Math.max(...values), step));
  });
  return corners.map((point) => moved(point, free));
}
