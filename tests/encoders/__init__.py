"""Tiny checkpoints of models that only read: of texts, and of queries with documents."""
