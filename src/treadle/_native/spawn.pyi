"""What Python sees of spawn.pyx."""

from collections.abc import Sequence

STEP_CHDIR: int
STEP_EXEC: int

def spawn(
    programs: Sequence[bytes],
    arguments: Sequence[bytes],
    environment: Sequence[bytes],
    directory: bytes | None,
    descriptors: Sequence[int],
    *,
    has_own_session: bool,
    has_own_group: bool,
    uid: int | None,
    gid: int | None,
) -> tuple[int, int, int]: ...
