"""Parse a page's form into the values a browser would submit."""

from html.parser import HTMLParser


class FormParser(HTMLParser):
    """Collects the input values of the form with id `form_id`."""

    def __init__(self, form_id: str) -> None:
        super().__init__()
        self.form_id, self.is_inside, self.values, self.errors = form_id, False, {}, []
        self.text = self.select = None

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form":
            self.is_inside = attrs.get("id") == self.form_id
        name = attrs.get("name")
        if not self.is_inside:
            return
        if tag == "input" and name:
            self.add_input(name, attrs)
        elif tag == "textarea" and name:
            self.text = (name, "")
        elif tag == "select" and name:
            self.select = name
            self.values[name] = ""
        elif tag == "option" and self.select and "selected" in attrs:
            self.values[self.select] = attrs.get("value", "")

    def add_input(self, name, attrs):
        kind = attrs.get("type", "text")
        if kind in {"submit", "file", "button"} or "disabled" in attrs:
            return
        if kind in {"checkbox", "radio"}:
            if "checked" in attrs:
                self.values[name] = attrs.get("value", "on")
            return
        # A browser drops line breaks in single-line inputs.
        self.values[name] = (attrs.get("value") or "").replace("\n", "").replace("\r", "")

    def handle_data(self, data):
        if self.text:
            self.text = (self.text[0], self.text[1] + data)

    def handle_endtag(self, tag):
        if tag == "form":
            self.is_inside = False
        elif tag == "select":
            self.select = None
        elif tag == "textarea" and self.text:
            name, text = self.text
            text = text.replace("\r\n", "\n").removeprefix("\n")
            self.values[name] = text.replace("\n", "\r\n")
            self.text = None


def read_form(html: str, form_id: str) -> dict[str, str]:
    """Return the values of the form with id `form_id` in `html`, by input name."""
    parser = FormParser(form_id)
    parser.feed(html)
    return parser.values
