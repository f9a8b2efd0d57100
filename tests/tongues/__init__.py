"""A tiny Whisper of many languages: what it hears and how it is trained."""
