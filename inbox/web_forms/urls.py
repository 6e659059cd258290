"""The public address of each web form."""

from django.urls import re_path

from inbox.web_forms.views import web_form_page

urlpatterns = [re_path(r"^(?P<token>[A-Za-z0-9_-]{22})/?$", web_form_page, name="web_form")]
