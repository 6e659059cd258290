from django.contrib import admin
from unfold.admin import ModelAdmin

from support.models import SupportTicket

admin.site.register(SupportTicket, ModelAdmin)
