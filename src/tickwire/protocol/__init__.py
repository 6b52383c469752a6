"""The native wire protocol: messages, codes, codec and the sans-I/O sessions of both ends. Pure."""
