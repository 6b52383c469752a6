"""The nouns of a market: units, instruments, what goes onto the tape and what the fold gives back. Pure."""
