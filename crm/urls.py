"""All URLs: the admin at the root, and the few public ones. Importing them imports every screen."""

from django.contrib import admin
from django.urls import include, path

admin.autodiscover()
urlpatterns = [
    path("t/", include("inbox.public.urls")),
    path("in/", include("inbox.web_forms.urls")),
    path("", admin.site.urls),
]
