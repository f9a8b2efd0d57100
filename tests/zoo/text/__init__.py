"""The text families: tokenizer, chat template and config.json, as in the real repositories."""
