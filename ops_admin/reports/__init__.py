"""Reports for regulators: computed from rows, with a trail that says how many rows each figure counts."""
