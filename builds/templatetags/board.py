"""`{% load board %}`: durations, times and marks in templates."""

from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ..states import Status
from ..web import words

register = template.Library()
_KNOWN = {str(status) for status in Status}

register.filter("lines", lambda number: words.count(number, "line"))
register.filter("duration", words.duration)
register.filter("ordinal", words.ordinal)


@register.filter
def fine(seconds: float | None) -> str:
    """With tenths, where it is short."""
    return words.duration(seconds, fine=True)


@register.filter
def iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@register.simple_tag
def mark(status: str, extra: str = "") -> SafeString:
    """The silhouette of a status, and its word for those who listen."""
    name = status if status in _KNOWN else "pending"
    return format_html('<i class="mark s-{}{}">{}</i>', name, f" {extra}" if extra else "", status)


@register.simple_tag
def ago(moment: datetime, css: str = "at") -> SafeString:
    """`3 min ago`, with the absolute time in its title; the page keeps it counting."""
    seconds = (timezone.now() - moment).total_seconds()
    return format_html(
        '<time class="{}" data-ago datetime="{}" title="{} UTC">{}</time>',
        css,
        iso(moment),
        moment.strftime("%Y-%m-%d %H:%M:%S"),
        words.ago(seconds),
    )
