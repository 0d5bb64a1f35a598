"""The telephone, through Twilio: speech and keypad."""
