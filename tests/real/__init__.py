"""Real weights and real speech, out of ordinary packages of the registry; nothing of them runs."""
