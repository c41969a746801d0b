"""Every path of the board. `builds/urls.py` ties the product's paths to views."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("builds.urls")),
]
