"""What three independent PDF readers show of a file: pdfium, poppler and MuPDF."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pikepdf
import pypdfium2
from pikepdf import Dictionary, Name
from PIL import Image, ImageChops, ImageFilter

from tests.judges import program

DPI = 72
# Readers' own fonts have ink at most so many pixels apart, which differs less in 256 shades.
MAX_SHIFT, MAX_DIFFERENCE = 4, 90


@dataclass(frozen=True)
class Shown:
    """What a reader shows: `words` as it finds them, `pages` as it draws them, with the contents of the fields."""

    words: list[str]
    pages: list[Image.Image]


def by_pdfium(file: Path) -> Shown:
    """Read a file by pdfium, which draws what is in the fields, and extracts no words from them."""
    with pypdfium2.PdfDocument(file) as document:
        document.init_forms()
        words = [word for page in document for word in page.get_textpage().get_text_bounded().split()]
        return Shown(words, [page.render(scale=DPI / 72).to_pil().convert("RGB") for page in document])


def by_poppler(file: Path) -> Shown:
    folder = _folder_for(file, "poppler")
    _run("pdftoppm", "-r", str(DPI), str(file), str(folder / "page"))
    return Shown(_run("pdftotext", "-layout", str(file), "-").split(), _pages(folder))


def by_mupdf(file: Path) -> Shown:
    folder = _folder_for(file, "mupdf")
    _run("mutool", "draw", "-q", "-r", str(DPI), "-o", str(folder / "page-%03d.ppm"), str(file))
    return Shown(_run("mutool", "draw", "-q", "-F", "txt", "-o", "-", str(file)).split(), _pages(folder))


READERS: dict[str, Callable[[Path], Shown]] = {"pdfium": by_pdfium, "poppler": by_poppler, "mupdf": by_mupdf}


def filled_in(document: bytes, pictures: Mapping[str, bytes]) -> bytes:
    """Return what readers should show: the document as it was shown to its signers, with each party's picture (a page)
    in its field, if there is one. Written by another library than the product's, and not signed."""
    with pikepdf.open(io.BytesIO(document)) as pdf:
        for field in (field for page in pdf.pages for field in page.get("/Annots", [])):
            # MuPDF writes a word of its own into fields that contain no signature.
            field.V = pdf.make_indirect(Dictionary(Type=Name.Sig))
            field.AP = Dictionary(N=picture_in(pdf, pictures.get(str(field.T))))
        written = io.BytesIO()
        pdf.save(written)
        return written.getvalue()


def picture_in(pdf: pikepdf.Pdf, page: bytes | None) -> pikepdf.Object:
    """Return the page as the appearance of a field of this file, multiplied with what is below. None: an empty
    appearance."""
    if page is None:
        return pdf.make_stream(b"", Type=Name.XObject, Subtype=Name.Form, BBox=[0, 0, 1, 1])
    with pikepdf.open(io.BytesIO(page)) as picture:
        form = pdf.copy_foreign(picture.pages[0].as_form_xobject())
        mixed = Dictionary(ExtGState=Dictionary(M=Dictionary(BM=Name.Multiply)), XObject=Dictionary(X=form))
        return pdf.make_stream(b"/M gs /X Do", Type=Name.XObject, Subtype=Name.Form, BBox=form.BBox, Resources=mixed)


def differences(one: Shown, other: Shown) -> list[str]:
    """Return `text` if the words differ, and `page N` for each page of which a single pixel differs."""
    found = ["text"] if one.words != other.words else []
    if len(one.pages) != len(other.pages):
        return [*found, "number of pages"]
    for number, (page, drawn) in enumerate(zip(one.pages, other.pages, strict=True), start=1):
        if (page.size, page.tobytes()) != (drawn.size, drawn.tobytes()):
            found.append(f"page {number}")
    return found


def is_drawn_apart(file: Path) -> bool:
    """Return whether one of the readers draws something on the first page that is darker than all that another one
    draws near that place."""
    pages = [read(file).pages[0].convert("L") for read in READERS.values()]
    darkest = [page.filter(ImageFilter.MinFilter(2 * MAX_SHIFT + 1)) for page in pages]
    differences = (ImageChops.subtract(near, page) for page, near in product(pages, darkest))
    return any(max(each.tobytes()) > MAX_DIFFERENCE for each in differences)


def _folder_for(file: Path, reader: str) -> Path:
    folder = file.with_name(f"{file.stem}-{reader}")
    folder.mkdir()
    return folder


def _pages(folder: Path) -> list[Image.Image]:
    return [Image.open(io.BytesIO(page.read_bytes())) for page in sorted(folder.glob("page-*.ppm"))]


def _run(name: str, *arguments: str) -> str:
    done = subprocess.run([program(name), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
