"""Pages are sent without the indentation of their templates."""

import pytest
from django.template.loader import get_template

from crm.runtime.template_loader import strip_indentation
from crm.screens.json_forms.display import ValueNode


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
