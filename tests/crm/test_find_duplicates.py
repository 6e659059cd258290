"""Finding the records that may be the same as one."""

import pytest
from django.db import connection

from crm.models import Client, Contact
from crm.records.duplicates.finding import find_duplicates
from crm.records.duplicates.matching import Identity, compare
from crm.records.duplicates.spelling import SAME, SIMILAR, compare_names, edit_distance, likely_keys, name_key
from crm.records.transitions import soft_delete
from leads.models import Lead
from tests.cast import make_client, make_contact, make_lead, make_user

SMITH = {"name": "John Smith", "email": "john@smith.example", "phone": "(415) 555-0132"}


def find(user=None, **details) -> list[tuple[str, str]]:
    return [(str(one.record), one.description) for one in find_duplicates(Identity(**details), user)]


@pytest.mark.parametrize(
    ("one", "other", "likeness"),
    [
        ("John Smith", "john  SMITH", SAME),
        ("Smith, John", "Dr. John A. Smith Jr.", SAME),
        ("Zoë O'Connor", "Zoe OConnor", SAME),
        ("Mary Ann Lee", "Maryann Lee", SAME),
        ("Jon Smith", "John Smith", SIMILAR),
        ("John Smtih", "John Smith", SIMILAR),
        ("Elena Martines", "Elena Martinez", SIMILAR),
        ("Maria Garcia", "Mario Garcia", ""),
        ("Elena Fernandez", "Elena Hernandez", ""),
        ("Lee Lead 1", "Lee Lead 2", ""),
        ("John Smith", "John Miller", ""),
        ("", "", ""),
    ],
)
def test_names_are_the_same_similar_or_different(one, other, likeness):
    assert compare_names(one, other) == compare_names(other, one) == likeness


def test_distance_counts_swapped_neighbours_once():
    assert [edit_distance(*pair) for pair in (("abcd", "abdc"), ("abc", "ab"), ("", "ab"), ("kitten", "sitting"))] == [
        1,
        1,
        2,
        3,
    ]


@pytest.mark.parametrize(
    "misspelt", ["Jonh Smith", "John Smih", "John Smitth", "Jahn Smith", "John Smimth", "Jon Smith"]
)
def test_key_of_the_right_name_is_among_those_of_a_misspelt_one(misspelt):
    assert name_key("John Smith") in likely_keys(misspelt)
    assert name_key(misspelt) in likely_keys("John Smith")


def test_key_of_a_name_is_the_same_in_the_database(db):
    letters = [chr(code) for code in (*range(1, 0x600), 0x1E9E, 0x2019, 0x2013, 0x3000, 0x5F20, 0x1F600)]
    names = [f"Ab{letter}ce, {letter}Zo{letter}ey" for letter in letters]
    names += ["Müller, Jürgen", "O’Neal-Zapata", "СМИРНОВ Анна", "ß", "Ann  Ann", ", x", "a,\nb", ""]
    with connection.cursor() as cursor:
        cursor.execute("SELECT name_key(one) FROM unnest(%s::text[]) WITH ORDINALITY AS a (one, n) ORDER BY n", [names])
        assert [key for (key,) in cursor.fetchall()] == [name_key(name) for name in names]


def test_name_alone_is_enough_only_while_nothing_contradicts_it():
    one = Identity(name="John Smith", email="john@smith.example")
    assert compare(one, Identity(name="John Smith", phone="415 555 0132")).description == "same name"
    assert compare(one, Identity(name="John Smith", email="js@work.example")) is None
    assert compare(Identity(name="John"), Identity(name="John")) is None
    acme = {"company": "Acme, Inc."}
    found = compare(
        Identity(name="Jon Smith", email="jon@x.example", **acme),
        Identity("John Smith", "sales@x.example", company="ACME"),
    )
    assert found.description == "similar name, same company"


def test_address_with_a_typing_error_counts_with_the_same_name():
    one, other = Identity("John Smith", "john@smiht.example"), Identity("John Smith", "john@smith.example")
    assert compare(one, other).description == "same name, similar email address"
    numbered = Identity("John Smith", "john2@smith.example")
    assert compare(numbered, Identity("John Smith", "john3@smith.example")) is None


@pytest.mark.parametrize("typed", ["+1 415 555 0132", "415.555.0132", "1-415-555-0132 ext. 7", "tel 4155550132"])
def test_phone_is_found_in_any_notation(db, typed):
    make_lead(contact_name="Ann Other", contact_phone=SMITH["phone"])
    make_client(name="Bo Client", phone="+14155550132")
    make_contact(name="Cy Contact", phone="(415) 555-0132 x9")
    assert {name for name, _ in find(phone=typed)} == {"Ann Other", "Bo Client", "Cy Contact"}
    assert {reason for _, reason in find(phone=typed)} == {"same phone number"}


@pytest.mark.parametrize("typed", ["0000000000", "000", "n/a", "", "+44 415 555 0132"])
def test_text_without_a_number_and_foreign_number_match_no_phone(db, typed):
    make_lead(contact_phone=SMITH["phone"])
    make_lead(contact_phone="0000000000")
    assert find(phone=typed) == []


def test_address_is_found_in_all_tables_without_regard_to_case(db):
    make_lead(contact_name="Ann", contact_email="john@smith.example")
    make_client(name="Bo", email="JOHN@smith.example")
    make_contact(name="Cy", email="John@Smith.example")
    assert {(name, reason) for name, reason in find(email="john@SMITH.example")} == {
        ("Ann", "same email address"),
        ("Bo", "same email address"),
        ("Cy", "same email address"),
    }


def test_client_is_found_by_the_company_of_a_lead(db):
    make_client(name="Acme Roofing", client_type="Business", email="office@acme.example")
    make_client(name="Jo Lee & Sons", client_type="Individual")
    assert find(name="Jo Lee", company="Acme Roofing, LLC") == [("Acme Roofing", "same company")]
    assert find(name="Jo Lee", company="Jo Lee & Sons") == [("Jo Lee & Sons", "same company")]


def test_best_match_is_first_and_the_record_itself_is_not_found(db):
    lead = make_lead(contact_name="John Smith", contact_email="john@smith.example", contact_phone=SMITH["phone"])
    make_lead(contact_name="Jon Smith", contact_email="")
    make_client(name="John Smith", email="john@smith.example", phone="")
    found = find_duplicates(Identity.of(lead), None, excluded=lead)
    assert [(type(one.record), one.description) for one in found] == [
        (Client, "same email address, same name"),
        (Lead, "similar name"),
    ]
    assert find_duplicates(Identity.of(lead), None, tables=(Contact,)) == []


def test_deleted_records_are_not_found(db):
    lead = make_lead(contact_email="john@smith.example")
    soft_delete(lead, by=make_user("root", is_superuser=True))
    assert find(email="john@smith.example") == []


def test_only_what_the_user_may_see_is_found(db):
    alice, bob, stranger = make_user("alice", "agent"), make_user("bob", "agent"), make_user("stranger")
    make_lead(contact_name="Ann", contact_email="john@smith.example", assigned_to=bob)
    make_client(name="Bo", email="john@smith.example", assigned_to=bob)
    hidden = make_contact(name="Cy", email="john@smith.example")
    hidden.client_links.create(client=Client.objects.get(name="Bo"))
    assert [name for name, _ in find(alice, email="john@smith.example")] == []
    assert {name for name, _ in find(bob, email="john@smith.example")} == {"Ann", "Bo", "Cy"}
    assert find(stranger, email="john@smith.example") == []


def test_number_of_statements_does_not_grow(db, django_assert_max_num_queries):
    for _ in range(30):
        make_lead(contact_name="John Smith", contact_email="", contact_phone=SMITH["phone"])
        make_client(name="John Smith", phone=SMITH["phone"])
        make_contact(name="John Smith", email="", phone=SMITH["phone"])
    with django_assert_max_num_queries(6):
        assert len(find(**SMITH)) == 8
