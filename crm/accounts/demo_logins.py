"""The public password of the demo, which opens no account where DEBUG is off."""

from django.conf import settings

from crm.exceptions import ActionRefused

DEMO_PASSWORD = "demo"


class DemoLoginRefused(ActionRefused):
    """The public password was typed on a server that is not for development."""

    def __init__(self) -> None:
        super().__init__("Demo logins do not work here. Ask an administrator for an account of your own.")


def refuse_demo_password(password: str) -> None:
    """Refuse the password of the demo, whatever account has it and wherever the account came from.

    Raises:
        DemoLoginRefused: it is that password, and DEBUG is off.
    """
    if password == DEMO_PASSWORD and not settings.DEBUG:
        raise DemoLoginRefused
