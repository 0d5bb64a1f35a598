"""Who, where, and what was said. The lowest floor: it asks nobody."""
