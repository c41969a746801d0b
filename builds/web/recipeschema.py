"""The JSON Schema of recipes, for every editor that asks: it says nothing of this board but its bounds."""

import hashlib
import json

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_cache_control
from django.views.decorators.http import condition, require_safe

from ..recipe.schema import schema


def _text() -> str:
    return json.dumps(schema(), ensure_ascii=False, separators=(",", ":"))


def _etag(request: HttpRequest) -> str:
    return f'"{hashlib.sha256(_text().encode()).hexdigest()[:32]}"'


@require_safe
@condition(etag_func=_etag)
def recipe_schema(request: HttpRequest) -> HttpResponse:
    """Public, for an hour in any cache, and for pages of other origins: editors run in browsers, too."""
    answer = HttpResponse(_text(), content_type="application/schema+json")
    patch_cache_control(answer, public=True, max_age=3600)
    answer["Access-Control-Allow-Origin"] = "*"
    return answer
