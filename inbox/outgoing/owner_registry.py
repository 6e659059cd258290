"""Which class owns the deliveries of which origin. The classes are imported when an email is sent."""

from crm.runtime.lazy_module import LazyObject
from inbox.models import EmailOrigin

OWNERS: dict[str, LazyObject] = {EmailOrigin.COMPOSER: LazyObject("inbox.drafts.scheduled.ComposerDelivery")}


def register_owner(origin: str, path: str) -> None:
    """Let the `DeliveryOwner` class at `path` own the deliveries of `origin`. Called once, at start."""
    OWNERS[origin] = LazyObject(path)
