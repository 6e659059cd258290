"""The page on which users write the signature of their emails."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from crm.exceptions import ActionRefused
from inbox.email_templates.signatures import SIGNATURE_PLACEHOLDERS, load_signature
from inbox.models import EmailSignature
from inbox.models.email_signature import MAX_SIGNATURE_LENGTH
from inbox.outgoing.outbox import SEND_PERMISSION
from inbox.transitions.save_signature import save_signature


class SignatureForm(forms.Form):
    """The signature of one user. The transition judges its placeholders."""

    text = forms.CharField(
        label="Signature",
        required=False,
        strip=False,
        max_length=MAX_SIGNATURE_LENGTH,
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text="Leave blank to send emails without a signature.",
    )


def signature_urls(site: AdminSite) -> list[URLPattern]:
    return [path("your-signature/", site.admin_view(signature_view), {"site": site}, name="own_signature")]


def signature_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show and save the signature of the user who reads the page."""
    user = request.user
    if not user.has_perm(SEND_PERMISSION):
        raise PermissionDenied
    saved = EmailSignature.objects.filter(user=user).first()
    form = SignatureForm(request.POST or None, initial={"text": saved.text if saved else ""})
    if form.is_valid():
        try:
            save_signature(user, form.cleaned_data["text"], by=user)
            messages.success(request, "Signature saved.")
            return HttpResponseRedirect(reverse("admin:own_signature"))
        except ActionRefused as error:
            form.add_error("text", str(error))
    context: dict[str, Any] = {"form": form, "placeholders": SIGNATURE_PLACEHOLDERS, "preview": load_signature(user)}
    context |= {**site.each_context(request), "title": "Your email signature"}
    return TemplateResponse(request, "inbox/signature.html", context)
