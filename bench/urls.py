"""Our addresses, and those of the stock admin beside them."""

from django.urls import path

from bench.stock import site
from crm.urls import urlpatterns as ours

urlpatterns = [path("stock/", site.urls), *ours]
