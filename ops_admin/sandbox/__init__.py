"""Vendor twins: small servers that speak the vendors' own HTTP contracts, for the demonstration and the tests."""
