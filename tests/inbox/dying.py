"""Reading that ends the process it is done in. Pure: such a process knows no database."""

import os

from inbox.parsing import Mail
from inbox.reading_ahead import understand_all


def dying(given: list[tuple[bytes, str]]) -> list[Mail | str]:
    """As `understand_all`, but over one mail everything ends."""
    if any(data == b"die" for data, _ in given):
        os._exit(1)
    return understand_all(given)
