"""maskd on other processors, Pythons and libraries than the developer's: `make arm64-test`, `make matrix`."""
