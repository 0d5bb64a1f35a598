"""The self-service website: server-rendered, works without scripts, and says what every other door says."""
