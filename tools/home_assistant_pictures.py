"""Pictures of Home Assistant's pages for docs/: `make homeassistant-test PICTURES=1` runs it.

`python home_assistant_pictures.py ADDRESS TOKENS CHROMIUM PAGE=FILE...`; TOKENS is the answer to a login, as JSON.
"""

from __future__ import annotations

import json
import sys
import time

from playwright.sync_api import sync_playwright

SIZE = {"width": 1320, "height": 1130}
SETTLED_MS = 4000
"""Until the cards of a page are in their places."""


def main(address: str, tokens: str, chromium: str, pages: list[str]) -> None:
    login = {
        **json.loads(tokens),
        "hassUrl": address,
        "clientId": f"{address}/",
        "expires": (time.time() + 1800) * 1000,
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(viewport=SIZE, locale="en-GB", timezone_id="UTC")
        context.add_init_script(f"localStorage.setItem('hassTokens', JSON.stringify({json.dumps(login)}))")
        page = context.new_page()
        for each in pages:
            path, _, file = each.partition("=")
            page.goto(f"{address}{path}")
            page.wait_for_load_state("networkidle")
            page.wait_for_timeout(SETTLED_MS)
            page.screenshot(path=file)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
