// Asks the device. Paths are relative, so that a proxy may show the page below any path.

export async function get(path) {
  return answered(await fetch(path, { headers: { Accept: "application/json" } }));
}

export async function post(path, body = "") {
  return answered(await fetch(path, { method: "POST", body, headers: { Accept: "application/json" } }));
}

async function answered(response) {
  if (response.status === 401) {
    location.assign("sign-in");
    return new Promise(() => {});
  }
  const answer = await response.json();
  if (!response.ok) throw Object.assign(new Error(answer.error), { status: response.status, answer });
  return answer;
}

const SIGN_IN_AGAIN = 4401;
const LONGEST_WAIT_MS = 10000;

// One WebSocket that comes back by itself. While the tab is hidden there is none, and the device encodes nothing for it.
export class LiveSocket {
  constructor({ onPicture, onText, onState }) {
    this.handlers = { onPicture, onText, onState };
    this.cameras = [];
    this.waitMs = 500;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.open()));
    this.open();
  }

  open() {
    if (this.socket || document.hidden) return;
    clearTimeout(this.timer);
    const address = new URL("api/live", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    address.hash = "";
    const socket = (this.socket = new WebSocket(address));
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.waitMs = 500;
      this.handlers.onState(true);
      this.ask();
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") this.handlers.onText(JSON.parse(data));
      else this.handlers.onPicture(...apart(data));
    };
    socket.onclose = ({ code }) => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.handlers.onState(false);
      if (code === SIGN_IN_AGAIN) location.assign("sign-in");
      else if (!document.hidden) this.timer = setTimeout(() => this.open(), this.waitMs);
      this.waitMs = Math.min(2 * this.waitMs, LONGEST_WAIT_MS);
    };
  }

  close() {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  // `tab`: where other rules are tried, so that pictures tell what these would make of them.
  watch(cameras, tab) {
    this.cameras = cameras;
    this.tab = tab;
    this.ask();
  }

  ask() {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ watch: this.cameras, tab: this.tab }));
  }
}

function apart(message) {
  const length = new DataView(message).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(message, 4, length)));
  return [header, new Blob([new Uint8Array(message, 4 + length)], { type: "image/jpeg" })];
}
