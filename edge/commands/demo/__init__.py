"""`maskd demo`: the real daemon on the clip of `edge.demo_clip`, with a broker of its own."""
