"""Every contact in the CRM, and every word an agent writes there back to the customer."""
