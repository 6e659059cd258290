"""Every address: the admin is the whole of the CRM, so it stands at the root."""

from django.contrib import admin
from django.urls import path

urlpatterns = [path("", admin.site.urls)]
