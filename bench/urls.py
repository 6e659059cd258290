"""URLs of the CRM with the stock admin beside it."""

from django.urls import path

from bench.stock import site
from crm.urls import urlpatterns as ours

urlpatterns = [path("stock/", site.urls), *ours]
