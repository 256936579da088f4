"""Prints as JSON what the settings that tests/config/test_settings.py makes up became in a copy of `edge`."""

from __future__ import annotations

import json

from edge.config import Config
from edge.config.live import is_opened_alike, settings_awaiting_restart
from edge.config.per_camera import for_camera
from edge.config.schema import config_schema
from edge.config.settable import Settable, settables
from edge.homeassistant import announce


def main() -> None:
    door = {"source": "demo", "patience_s": 9}
    config = Config.model_validate({"cameras": {"door": door, "gate": {"source": "demo"}}})
    patience, pace = Settable("patience_s", "door"), Settable("pace")
    changed = pace.changed(patience.changed(config, "7.5"), "slow")
    asleep = Config.model_validate({"cameras": {"door": {**door, "nap_s": 3}, "gate": {"source": "demo"}}})
    announcements = announce(config, ["with_mask"], commands_on=True, tells_temperature=False)
    entities = {each.get("name"): each for told in announcements for each in told.message["components"].values()}
    schema = config_schema()
    print(
        json.dumps(
            {
                "schema": {
                    "section": schema["$defs"]["ComplianceSettings"]["properties"]["patience_s"],
                    "camera": schema["$defs"]["CameraSettings"]["properties"]["patience_s"],
                },
                "of each camera": [
                    for_camera(config, camera).compliance.model_dump()["patience_s"] for camera in config.cameras
                ],
                "settable": [str(each) for each in settables(config) if each.setting in ("patience_s", "pace")],
                "waits": [settings_awaiting_restart(config, each) for each in (changed, asleep)],
                "stays open": is_opened_alike(config.cameras["door"], changed.cameras["door"]),
                "homeassistant": [entities["Patience"], entities["Pace"]],
            }
        )
    )


if __name__ == "__main__":
    main()
