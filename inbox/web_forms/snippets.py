"""The HTML to paste into a website: the form itself, and a script that sends it without leaving the page."""

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import escape

from inbox.models import WebForm
from inbox.web_forms.sender_form import CONSENT, TRAP_FIELD, SenderForm

# A form that is sent without the script needs no key: the same content within ten minutes counts once.
SCRIPT = """<script>
  (() => {
    const form = document.querySelector('form[action="%(url)s"]');
    const status = form.appendChild(document.createElement("p"));
    status.setAttribute("role", "status");
    let key = crypto.randomUUID();
    // What is changed is another message; what is sent again unchanged is the same one.
    form.addEventListener("input", () => { key = crypto.randomUUID(); });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      status.textContent = "Sending …";
      try {
        const response = await fetch(form.action, {
          method: "POST",
          headers: {"Content-Type": "application/json", "Idempotency-Key": key},
          body: JSON.stringify(Object.fromEntries(new FormData(form))),
        });
        const answer = await response.json();
        if (answer.redirect) { location.href = answer.redirect; return; }
        status.textContent = [answer.message, ...Object.values(answer.errors ?? {})].join(" ");
        if (response.ok) { form.reset(); key = crypto.randomUUID(); }
      } catch {
        status.textContent = "The message was not sent. Please try again.";
      }
    });
  })();
</script>"""


def public_url(web_form: WebForm, request: HttpRequest) -> str:
    """Return the full public address of `web_form`, under PUBLIC_URL if that is set."""
    path = reverse("web_form", args=[web_form.token])
    return f"{settings.PUBLIC_URL}{path}" if settings.PUBLIC_URL else request.build_absolute_uri(path)


def html_snippet(web_form: WebForm, url: str) -> str:
    """Return the form as HTML for any website."""
    lines = [f'<form action="{escape(url)}" method="post" accept-charset="utf-8">']
    for field in SenderForm(web_form=web_form):
        control, label = " ".join(str(field).split()), escape(field.label)
        lines.append(
            f"  <p><label>{control} {label}</label></p>"
            if field.name == CONSENT
            else f"  <p><label>{label}<br>{control}</label></p>"
        )
    trap = f'<input name="{TRAP_FIELD}" tabindex="-1" autocomplete="off">'
    hidden = 'style="position: absolute; left: -10000px" aria-hidden="true"'
    lines.append(f"  <p {hidden}><label>Leave this field empty {trap}</label></p>")
    return "\n".join([*lines, "  <p><button>Send</button></p>", "</form>"])


def script_snippet(url: str) -> str:
    """Return the script that sends the pasted form and shows the answer beneath it."""
    return SCRIPT % {"url": url}
