"""What a process does that decodes pictures: takes lists of files, gives sizes or pixels; loads no torch.

It is run as `python -m dlkit.data.images.decode_worker FD`, the descriptor of one end of a pair of sockets.
"""

import json
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from dlkit.data.images.image_file import Frame, PictureFault, decode, measure

Answer = tuple[dict[str, Any], bytes | memoryview]


def work(connection: Connection) -> None:
    """Answer tasks until the other end closes."""
    try:
        while True:
            task = json.loads(connection.recv_bytes())
            try:
                said, pixels = do_task(task)
            except Exception as err:  # noqa: BLE001 - it is told by the process that asked
                said, pixels = {"ticket": task["ticket"], "failed": f"{type(err).__name__}: {err}"}, b""
            connection.send_bytes(json.dumps(said).encode())
            connection.send_bytes(pixels)
    except (EOFError, OSError):
        return


def do_task(task: Mapping[str, Any]) -> Answer:
    """Measure or decode the files of a task.

    Args:
        task: `ticket`; `files`; and for decoding, `frame`.

    Returns:
        `ticket`, `faults` as pairs of place in the list and text, `measures`; and the pixels of all files, one after
        the other, zeros where one cannot be read.
    """
    files, frame = task["files"], Frame(*task["frame"]) if task.get("frame") else None
    said: dict[str, Any] = {"ticket": task["ticket"], "faults": [], "measures": []}
    if frame is None:
        for place, path in enumerate(files):
            try:
                said["measures"].append([place, *measure(path)])
            except PictureFault as fault:
                said["faults"].append([place, str(fault)])
        return said, b""
    kind = np.float32 if frame.deep else np.uint8
    pixels = np.zeros((len(files), frame.bands, frame.height, frame.width), dtype=kind)
    for place, path in enumerate(files):
        try:
            pixels[place] = decode(path, frame)
        except PictureFault as fault:
            said["faults"].append([place, str(fault)])
    return said, pixels.reshape(-1).view(np.uint8).data


if __name__ == "__main__":
    work(Connection(int(sys.argv[1])))
