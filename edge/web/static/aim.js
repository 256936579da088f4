// The aiming view: how large each face is against what the models need, readable from a ladder.

import { html, useEffect, useRef, useState } from "./vendor/preact.js";

// A face that turned away for a moment still counts.
const KEPT_MS = 4000;
// Of what is needed: people will also walk by a little farther away.
const AMPLE = 1.5;

export const fit = (px, needed) => (px < needed ? "wrong" : px < AMPLE * needed ? "close" : "fine");

// The heights of the faces on the newest pictures, in pixels: of the smallest and the largest.
function useSizes(scene) {
  const seen = useRef(new Map());
  const [sizes, setSizes] = useState(null);
  useEffect(() => {
    const now = Date.now();
    for (const person of scene?.people ?? []) if (person.seen) seen.current.set(person.track, [person.height_px, now]);
    for (const [track, [, at]] of seen.current) if (now - at > KEPT_MS) seen.current.delete(track);
    const heights = [...seen.current.values()].map(([px]) => px);
    setSizes(heights.length ? { least: Math.min(...heights), most: Math.max(...heights) } : null);
  }, [scene]);
  return sizes;
}

export function Advice({ scene }) {
  const sizes = useSizes(scene);
  const needed = scene?.needed_px;
  if (!needed) return html`<p class="advice">Waiting for a picture …</p>`;
  return html`<p class=${`advice ${sizes ? fit(sizes.least, needed) : ""}`} data-needed=${needed}>${words(sizes, needed)}</p>`;
}

function words(sizes, needed) {
  if (!sizes) return `No face is found. Have someone stand where people will be: ${needed} px are needed.`;
  const { least, most } = sizes;
  const are = least === most ? `The face here is ${least} px` : `Faces here are ${least} to ${most} px`;
  if (least < needed) {
    return `${are}, ${needed} are needed. Move the camera closer, or zoom in: ${(needed / least).toFixed(1)} times as large.`;
  }
  if (least < AMPLE * needed) return `${are}, ${needed} are needed. That is just enough; a little closer is safer.`;
  return `${are}, ${needed} are needed. Good.`;
}
