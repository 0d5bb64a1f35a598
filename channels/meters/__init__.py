"""Reads pushed by the metering head-end."""
