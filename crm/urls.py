"""Every address: the admin at the root, and the few that people outside reach."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("t/", include("inbox.public.urls")), path("", admin.site.urls)]
