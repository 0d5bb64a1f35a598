"""E-mail, through SendGrid."""
