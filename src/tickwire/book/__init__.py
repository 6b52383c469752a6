"""Order books by level and by order, and their checksum. Shared by engine, mirror and client. Pure."""
