"""What is published, and under which topics: pure, without cameras, models and connections."""
