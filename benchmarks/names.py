"""The benchmarks, in the order of the report. Each is the module `benchmarks.NAME`; see `benchmarks.suite`."""

NAMES = (
    "fanout",
    "streams",
    "latency",
    "orders",
    "screen",
    "connections",
    "storm",
    "stalled",
    "encodings",
    "dialects",
    "rest",
    "fold",
    "matcher",
    "tape",
    "client",
    "growth",
)
