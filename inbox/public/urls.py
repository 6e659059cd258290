"""The URLs that outsiders reach without a login, through links in our emails."""

from django.urls import re_path

from inbox.public import views

TOKEN = r"(?P<token>[A-Za-z0-9_-]{22})"

urlpatterns = [
    re_path(rf"^{TOKEN}\.gif$", views.tracking_pixel, name="public_picture"),
    re_path(rf"^{TOKEN}/$", views.proposal_page, name="public_proposal"),
]
