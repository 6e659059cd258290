"""Reading that ends the process it is done in. Pure: such a process knows no database."""

import os

from inbox.incoming.parallel_parsing import understand_all
from inbox.incoming.parsing import Mail


def dying(given: list[tuple[bytes, str]]) -> list[Mail | str]:
    """As `understand_all`, but over one mail everything ends."""
    if any(data == b"die" for data, _ in given):
        os._exit(1)
    return understand_all(given)
