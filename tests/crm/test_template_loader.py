"""Pages are sent without the indentation of their templates."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.template import Engine
from django.template.loader import get_template

from crm.runtime.template_loader import Loader, strip_indentation
from crm.screens.json_forms.display import ValueNode
from crm.screens.theme import THEME_CHANGES


@pytest.mark.parametrize(
    ("source", "loaded"),
    [
        ("<ul>\n  <li>one</li>\n\t<li>two  words</li>\n</ul>", "<ul>\n<li>one</li>\n<li>two  words</li>\n</ul>"),
        ("<td>{{ a }}\n      {% if b %}\n  b{% endif %}</td>", "<td>{{ a }}\n{% if b %}\nb{% endif %}</td>"),
        ("<a\n  href='x'\n  title='y'>z</a>", "<a\nhref='x'\ntitle='y'>z</a>"),
        ("one line", "one line"),
        ("<pre>\n  as it is</pre>", "<pre>\n  as it is</pre>"),
    ],
)
def test_indentation_goes_and_lines_stay(source, loaded):
    assert strip_indentation(source) == loaded
    assert loaded.count("\n") == source.count("\n")


def test_loaded_templates_are_flush_left():
    template = get_template("leads/row.html").template
    assert "\n " not in template.source and "\n<td" in template.source


def test_values_keep_their_white_space():
    page = get_template("crm/json_value.html").render({"node": ValueNode(text="one\n   two")})
    assert "one\n   two" in page


@pytest.mark.parametrize("name", THEME_CHANGES)
def test_texts_of_the_theme_are_replaced(name):
    source = get_template(name).template.source
    assert all(new in source and old not in source for old, new in THEME_CHANGES[name].items() if new)


def test_a_theme_without_a_text_to_replace_is_refused():
    loader = Loader(Engine(), {"unfold/helpers/search.html": {"no such text": ""}})
    with pytest.raises(ImproperlyConfigured, match=r"search\.html does not have this text once: no such text"):
        loader.get_template("unfold/helpers/search.html")
