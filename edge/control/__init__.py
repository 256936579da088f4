"""How what is in effect is changed: one door for every way in."""
