"""The records of a zip archive that a stranger wrote, of which none is larger than the file.

PyTorch and Keras store records as they are. What is packed could be a thousand times as large in
memory, and what lies in several records at once as often; neither is taken.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO

MOST_RECORDS = 10**5
"""No model has as many weights."""


def list_stored_records(file: Path | IO[bytes], size: int) -> dict[str, int]:
    """Return the records of an archive of `size` bytes by name, and the bytes of each.

    Raises ValueError, which says why, where it is none, or larger in memory than as a file.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            records = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, OverflowError, OSError) as error:
        raise ValueError(str(error)) from error
    if not 0 < len(records) <= MOST_RECORDS:
        raise ValueError(f"it has {len(records)} records")
    sizes: dict[str, int] = {}
    for record in records:
        name = record.filename
        if name in sizes:
            raise ValueError(f"two records are called {name[:100]!r}")
        if record.compress_type != zipfile.ZIP_STORED or record.file_size != record.compress_size:
            raise ValueError(f"{name[:100]!r} is packed")
        sizes[name] = record.file_size
    if sum(sizes.values()) > size:
        raise ValueError("its records are larger than the file")
    return sizes
