"""Assembles and runs: the top floor, which looks down at everything and is known by nobody."""
