"""Paths → views: the one place where the wings meet."""

from django.contrib.auth import views as auth
from django.urls import path

from .live import files, logs, poll, search, stream
from .web import (
    afters,
    artifacts,
    caches,
    deliveries,
    find,
    findings,
    health,
    notifications,
    password,
    schedules,
    secrets,
    testpages,
    views,
    webhooks,
)
from .web.api import api
from .web.badge import badge
from .web.recipeschema import recipe_schema

urlpatterns = [
    path("", views.board, name="board"),
    path("projects/<slug:slug>/", views.project, name="project"),
    path("projects/<slug:slug>/start/", views.start, name="start"),
    path("projects/<slug:slug>/deliveries/", deliveries.page, name="deliveries"),
    path("projects/<slug:slug>/deliveries/secret/", deliveries.make_secret, name="hook-secret"),
    path("projects/<slug:slug>/secrets/", secrets.page, name="secrets"),
    path("projects/<slug:slug>/secrets/<str:name>/delete/", secrets.delete, name="secret-delete"),
    path("projects/<slug:slug>/caches/", caches.page, name="caches"),
    path("projects/<slug:slug>/notifications/", notifications.page, name="notifications"),
    path("projects/<slug:slug>/notifications/new/<slug:kind>/", notifications.new, name="target-new"),
    path("projects/<slug:slug>/notifications/<int:number>/", notifications.change, name="target"),
    path("projects/<slug:slug>/notifications/<int:number>/test/", notifications.test, name="target-test"),
    path("projects/<slug:slug>/notifications/<int:number>/delete/", notifications.delete, name="target-delete"),
    path("projects/<slug:slug>/notifications/messages/<int:number>/retry/", notifications.retry, name="message-retry"),
    path("projects/<slug:slug>/schedules/", schedules.page, name="schedules"),
    path("projects/<slug:slug>/schedules/<int:number>/", schedules.one, name="schedule"),
    path("projects/<slug:slug>/after/", afters.page, name="afters"),
    path("builds/<int:build_id>/", views.build, name="build"),
    path("builds/<int:build_id>/cancel/", views.cancel, name="cancel"),
    path("builds/<int:build_id>/retry/", views.retry, name="retry"),
    path("builds/<int:build_id>/keep/", views.keep, name="keep"),
    path("builds/<int:build_id>/find/", find.page, name="find"),
    path("builds/<int:build_id>/difference/", findings.page, name="build-difference"),
    path("builds/<int:build_id>/artifacts/", artifacts.page, name="artifacts"),
    path("builds/<int:build_id>/tests/", testpages.page, name="tests"),
    path("builds/<int:build_id>/preview/<path:path>", artifacts.preview, name="preview"),
    path("accounts/login/", views.Login.as_view(), name="login"),
    path("accounts/password/", password.Password.as_view(), name="password"),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    # Machine-readable, by session or token.
    path("events/", stream.board_events, name="board-events"),
    path("events.json", poll.board_events, name="board-events-json"),
    path("builds/<int:build_id>/events/", stream.build_events, name="build-events"),
    path("builds/<int:build_id>/events.json", poll.build_events, name="build-events-json"),
    path("projects/<slug:slug>/badge.svg", badge, name="badge"),
    path("builds/<int:build_id>/log/", logs.lines, name="build-lines"),
    path("builds/<int:build_id>/log.txt", logs.text, name="build-log"),
    path("builds/<int:build_id>/artifacts.zip", files.archive, name="artifacts-zip"),
    path("builds/<int:build_id>/artifacts/<path:path>", files.artifact, name="artifact"),
    path("builds/<int:build_id>/search/", search.slices, name="build-search"),
    path("hooks/<slug:slug>/", webhooks.hook, name="hook"),
    path("api/v1/", api.urls),
    path("recipe.schema.json", recipe_schema, name="recipe-schema"),
    # For machines that look after machines.
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
]
