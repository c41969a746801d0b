"""Pictures of pages with 256 colours at most: half as many bytes, and nobody sees a difference."""

import base64
import struct
import zlib
from pathlib import Path
from typing import Any

COLOURS = 256
_REDUCE = """
async ([picture, most]) => {
  const image = await createImageBitmap(await (await fetch(picture)).blob());
  const brush = new OffscreenCanvas(image.width, image.height).getContext("2d");
  brush.drawImage(image, 0, 0);
  const pixels = new Uint32Array(brush.getImageData(0, 0, image.width, image.height).data.buffer);
  const counts = new Map();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) || 0) + 1);
  const kept = [...counts].sort((a, b) => b[1] - a[1]).slice(0, most).map(([colour]) => colour);
  const parts = (colour) => [colour & 255, (colour >> 8) & 255, (colour >> 16) & 255];
  const palette = kept.map(parts);
  const places = new Map(kept.map((colour, at) => [colour, at]));
  const nearest = (colour) => {
    const [red, green, blue] = parts(colour);
    let [best, least] = [0, Infinity];
    palette.forEach(([r, g, b], at) => {
      const apart = (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2;
      if (apart < least) [best, least] = [at, apart];
    });
    return best;
  };
  for (const colour of counts.keys()) if (!places.has(colour)) places.set(colour, nearest(colour));
  let text = "";
  for (const pixel of pixels) text += String.fromCharCode(places.get(pixel));
  return [image.width, image.height, palette.flat(), btoa(text)];
}
"""
"""Its most frequent colours are kept; each other one becomes the nearest of those."""


def save(page: Any, picture: bytes, path: Path) -> None:
    """`picture`: a PNG; `page`: of Playwright, at any address whose policy allows it to read `data:`."""
    address = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    width, height, palette, places = page.evaluate(_REDUCE, [address, COLOURS])
    rows = base64.b64decode(places)
    lines = b"".join(b"\0" + rows[at : at + width] for at in range(0, width * height, width))
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", head), (b"PLTE", bytes(palette)), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_part(kind, data) for kind, data in parts))


def _part(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
