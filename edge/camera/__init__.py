"""Where frames come from: `source` says what a configuration names, `build` makes the camera of it."""
