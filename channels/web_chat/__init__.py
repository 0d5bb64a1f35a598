"""Chat on the utility's website: a widget of one file and its small API."""
