"""A file object for writers that stream: what they write is taken away piece by piece."""


class OutputBuffer:
    """Takes what a writer, such as `zipfile`, writes; `take` returns what was written since the last call."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0

    def write(self, data: bytes) -> int:
        self.parts.append(bytes(data))
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing; `zipfile` calls it."""

    def take(self) -> bytes:
        data, self.parts, self.size = b"".join(self.parts), [], 0
        return data
