"""All URLs: the admin at the root, and the few public ones."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("t/", include("inbox.public.urls")), path("", admin.site.urls)]
