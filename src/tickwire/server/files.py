"""How many files the process may have open; every socket is one."""

from __future__ import annotations

import logging
import sys

log = logging.getLogger(__name__)


def files_max() -> int:
    """Files that the process may have open now."""
    if sys.platform == "win32":
        return sys.maxsize
    import resource

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return sys.maxsize if most == resource.RLIM_INFINITY else most


def raise_files_max() -> None:
    """Let the process have as many as it may allow itself: shells and service managers begin with 1,024."""
    if sys.platform == "win32":
        return
    import resource

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (OSError, ValueError) as error:  # macOS says "unlimited" and refuses it
        log.warning("the process goes on with at most %d open files: %s", files_max(), error)
