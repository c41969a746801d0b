"""The straightforward Django answer: an async view in which each viewer has a channel of the layer for itself.

LAYER=memory, or the address of a Redis. What was published before a viewer came is kept in memory.
"""

import os
from collections.abc import AsyncIterator

from channels.layers import get_channel_layer
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

LAYER = os.environ.get("LAYER", "memory")
MEMORY = {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 100_000}}
REDIS = {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [LAYER]}}

settings.configure(
    SECRET_KEY="bench",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    CHANNEL_LAYERS={"default": MEMORY if LAYER == "memory" else REDIS},
    LOGGING_CONFIG=None,
)
LOG: list[str] = []


async def events(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        _frames(), content_type="text/event-stream", headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    )


async def _frames() -> AsyncIterator[str]:
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add("events", channel)
    try:
        yield ": here\n\n"
        for number, text in enumerate(LOG[:], 1):
            yield f"id: {number}\nevent: log\ndata: {text}\n\n"
        while True:
            message = await layer.receive(channel)
            yield f"id: {message['number']}\nevent: log\ndata: {message['text']}\n\n"
    finally:
        await layer.group_discard("events", channel)


async def publish(request: HttpRequest) -> HttpResponse:
    for text in request.body.decode().splitlines():
        LOG.append(text)
        await get_channel_layer().group_send("events", {"type": "event", "number": len(LOG), "text": text})
    return HttpResponse(status=204)


urlpatterns = [path("events", events), path("publish", publish)]
application = get_asgi_application()
