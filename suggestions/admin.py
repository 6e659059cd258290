from django.contrib import admin
from unfold.admin import ModelAdmin

from suggestions.models import Suggestion

admin.site.register(Suggestion, ModelAdmin)
