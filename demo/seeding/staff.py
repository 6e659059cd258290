"""The people of a made-up agency."""

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group

from crm.models import User

# Who works on leads stands first; the others look on and look after.
OWNERS = {
    "agent": [
        "Marisol Reyes",
        "Darnell Washington",
        "Priya Raman",
        "Kyle Jensen",
        "Thuy Pham",
        "Rosa Delgado",
        "Omar Haddad",
        "Grace Okafor",
        "Ben Whitaker",
        "Leila Farah",
        "Mateo Vargas",
        "Hannah Olson",
        "Jamal Brooks",
        "Mei Chang",
    ],
    "manager": ["Denise Coleman", "Victor Santos", "Ingrid Berg"],
}
OTHERS = {
    "viewer": ["Walter Stein"],
    "schema admin": ["Nikhil Desai"],
    "administrator": ["Joy Abbott"],
}


def hire() -> list[User]:
    """Add whoever is missing, without a password, each in their group; returns who owns leads."""
    for role, names in {**OWNERS, **OTHERS}.items():
        for name in names:
            _hire(name, Group.objects.filter(name=role).first())
    usernames = [username_of(name) for names in OWNERS.values() for name in names]
    return list(User.objects.filter(username__in=usernames).order_by("username"))


def username_of(name: str) -> str:
    return name.lower().replace(" ", ".")


def _hire(name: str, group: Group | None) -> None:
    first, last = name.split()
    username = username_of(name)
    user, is_new = User.objects.get_or_create(
        username=username,
        defaults={
            "first_name": first,
            "last_name": last,
            "email": f"{username}@example.com",
            "is_staff": True,
            "password": make_password(None),
        },
    )
    if is_new and group is not None:
        user.groups.add(group)
