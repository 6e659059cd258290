"""The addresses that people outside reach without a login: those that a mail of ours carries."""

from django.urls import re_path

from inbox import public

TOKEN = r"(?P<token>[A-Za-z0-9_-]{22})"

urlpatterns = [
    re_path(rf"^{TOKEN}\.gif$", public.tracking_pixel, name="public_picture"),
    re_path(rf"^{TOKEN}/$", public.proposal_page, name="public_proposal"),
]
