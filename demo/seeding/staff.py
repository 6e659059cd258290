"""The staff of the generated agency."""

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group

from crm.models import User

# Roles that own leads.
STAFF_WITH_LEADS = {
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
# Roles that own no leads.
OTHER_STAFF = {
    "viewer": ["Walter Stein"],
    "schema admin": ["Nikhil Desai"],
    "administrator": ["Joy Abbott"],
}


def create_staff() -> list[User]:
    """Create the missing staff, without passwords, in their groups. Return the users who own leads."""
    for role, names in {**STAFF_WITH_LEADS, **OTHER_STAFF}.items():
        for name in names:
            _create_staff_member(name, Group.objects.filter(name=role).first())
    usernames = [make_username(name) for names in STAFF_WITH_LEADS.values() for name in names]
    return list(User.objects.filter(username__in=usernames).order_by("username"))


def make_username(name: str) -> str:
    return name.lower().replace(" ", ".")


def _create_staff_member(name: str, group: Group | None) -> None:
    first, last = name.split()
    username = make_username(name)
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
