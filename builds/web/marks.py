"""The silhouettes of marks.css for drawings: SVG paths in a square of 16, filled by the even-odd rule."""

from ..states import Status

MARKS = {
    Status.PASSED: "M1 8a7 7 0 1 1 14 0a7 7 0 1 1-14 0zM3.9 8.6 7.2 11.9 12.2 6 10.8 4.7 7 9.1 5.2 7.3z",
    Status.FAILED: "M5.1 1h5.8L15 5.1v5.8L10.9 15H5.1L1 10.9V5.1zM10.2 4.5 11.5 5.8 9.3 8 11.5 10.2 10.2 11.5 8 9.3 5.8"
    " 11.5 4.5 10.2 6.7 8 4.5 5.8 5.8 4.5 8 6.7z",
    Status.CANCELLED: "M1 8a7 7 0 1 1 14 0a7 7 0 1 1-14 0zM2.8 8a5.2 5.2 0 1 1 10.4 0a5.2 5.2 0 1 1-10.4 0zM4.9 12.4"
    " 12.4 4.9 11.1 3.6 3.6 11.1z",
    Status.LOST: "M8 .3 15.7 8 8 15.7.3 8zM6.7 6.6 7.1 5.7 8 5.3 8.7 5.7 8.7 6.2 7.4 7.4 7.2 9.3 8.8 9.5 9 8.2 10.5 7"
    " 10.3 4.5 8 3.5 5.7 4.3 5.1 6zM7.1 10.5h1.8v1.7H7.1z",
}
ALL = MARKS | {
    Status.RUNNING: "M8 1A7 7 0 1 1 1 8h2a5 5 0 1 0 5-5zM6 8a2 2 0 1 1 4 0a2 2 0 1 1-4 0z",
    Status.PENDING: "M4.4 8a3.6 3.6 0 1 1 7.2 0a3.6 3.6 0 1 1-7.2 0zM6 8a2 2 0 1 1 4 0a2 2 0 1 1-4 0z",
    Status.SKIPPED: "M3 4.3 4.3 3l5 5-5 5L3 11.7 6.7 8zM8.3 4.3 9.6 3l5 5-5 5-1.3-1.3L12 8z",
}
"""Those of steps that have not ended, or never began, as well."""
