"""A page for the people who keep the hub running: what is owed, what is stuck, what waits for a person."""
