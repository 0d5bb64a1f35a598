"""The one-command stack: real servers from wheels, our own processes, one supervisor."""
