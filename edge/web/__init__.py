"""The page: a web server as one part of the daemon."""
