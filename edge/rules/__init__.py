"""When something is to be done: pure logic that takes events and the time."""
