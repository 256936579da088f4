"""Asks Home Assistant over its websocket, in Home Assistant's own environment: `python ... URL TOKEN REQUEST`.

Prints the answer as JSON. A request to subscribe is answered by the first event that it brings, and first of all by a
line `subscribed`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import aiohttp


async def main(url: str, token: str, request: dict[str, Any]) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(url, max_msg_size=0) as socket:
        await socket.receive_json()
        await socket.send_json({"type": "auth", "access_token": token})
        await socket.receive_json()
        await socket.send_json({"id": 1, **request})
        answer = await socket.receive_json()
        if not answer["success"]:
            sys.exit(json.dumps(answer["error"]))
        if not request["type"].startswith("subscribe"):
            print(json.dumps(answer["result"]))
            return
        print("subscribed", flush=True)
        print(json.dumps((await socket.receive_json())["event"]))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
