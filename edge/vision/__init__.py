"""What one picture shows: faces, and how each wears a mask."""
