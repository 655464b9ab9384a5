"""EPUB books as the tests want them, sound and otherwise."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

CONTAINER = """<?xml version="1.0"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="OEBPS/content.opf" media-type="application/oebps-package+xml"/>
</rootfiles></container>"""

Parts = dict[str, str | bytes]


def epub3() -> Parts:
    """A book with a nav document, a cover, two chapters, and a supplement."""
    return {
        "META-INF/container.xml": CONTAINER,
        "OEBPS/content.opf": package(
            """<item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>
            <item id="cover" href="images/cover.jpg" properties="cover-image"
            media-type="image/jpeg"/>
            <item id="film" href="https://a.b/film.mp4" media-type="video/mp4"/>
            <item id="c1" href="text/chapter%201.xhtml" media-type="application/xhtml+xml"/>
            <item id="c2" href="text/c2.xhtml" media-type="application/xhtml+xml"/>
            <item id="notes" href="text/notes.xhtml" media-type="application/xhtml+xml"/>""",
            """<itemref idref="nav"/><itemref idref="c1"/><itemref idref="c2"/>
            <itemref idref="notes" linear="no"/>""",
        ),
        "OEBPS/nav.xhtml": """<html xmlns="http://www.w3.org/1999/xhtml"
            xmlns:epub="http://www.idpf.org/2007/ops"><body><nav epub:type="landmarks"><ol><li>
            <a href="text/c2.xhtml">Skip</a></li></ol></nav><nav epub:type="toc"><h1>Contents</h1>
            <ol><li><a href="text/chapter%201.xhtml">The&nbsp;<b>Sea</b></a><ol><li>
            <a href="text/chapter%201.xhtml#tide">Tide</a></li></ol></li>
            <li><span>Part</span><ol><li><a href="text/c2.xhtml">The Land</a></li></ol></li></ol>
            </nav></body></html>""",
        "OEBPS/images/cover.jpg": b"\xff\xd8 a cover",
        "OEBPS/text/chapter 1.xhtml": document(
            "<h1>1</h1><p>It was wide.<a epub:type='noteref' href='notes.xhtml#n'>1</a></p>"
            "<h2 id='tide'>Tide</h2><p>It came.</p>"
        ),
        "OEBPS/text/c2.xhtml": document("<h1>2</h1><p lang='fr'>Elle était là.</p>"),
        "OEBPS/text/notes.xhtml": document("<p id='n'>A note.</p>"),
    }


def epub2() -> Parts:
    """A book with an NCX whose chapters lie in one file, and a guide."""
    return {
        "META-INF/container.xml": CONTAINER.replace("OEBPS/content.opf", "book.opf"),
        "book.opf": package(
            """<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>
            <item id="pic" href="cover.png" media-type="image/png"/>
            <item id="front" href="front.html" media-type="application/xhtml+xml"/>
            <item id="contents" href="contents.html" media-type="application/xhtml+xml"/>
            <item id="title" href="title.html" media-type="application/xhtml+xml"/>
            <item id="all" href="all.html" media-type="text/html"/>""",
            """<itemref idref="front"/><itemref idref="contents"/><itemref idref="title"/>
            <itemref idref="all"/><itemref idref="pic"/>""",
            spine=' toc="ncx"',
            metadata='<meta name="cover" content="pic"/>',
            more="""<guide><reference type="cover" href="front.html"/>
            <reference type="toc" href="contents.html"/></guide>""",
        ),
        "toc.ncx": """<?xml version="1.0"?><!DOCTYPE ncx PUBLIC "-//NISO//DTD ncx 2005-1//EN"
            "http://www.daisy.org/z3986/2005/ncx-2005-1.dtd"><ncx
            xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>
            <navPoint><navLabel><text>One</text></navLabel><content src="all.html#one"/>
            <navPoint><navLabel><text>One A</text></navLabel><content src="all.html#one-a"/>
            </navPoint></navPoint>
            <navPoint><navLabel><text>Two</text></navLabel><content src="all.html#two"/></navPoint>
            <navPoint><navLabel><text>Nothing</text></navLabel></navPoint>
            </navMap></ncx>""",
        "cover.png": b"\x89PNG a cover",
        "front.html": document("<img src='cover.png' alt='The cover'/>"),
        "contents.html": document("<p>One, two.</p>"),
        "title.html": document("<h1>The Sea</h1><p>by Jane Doe</p>"),
        "all.html": "<p id=one>First.<h3 id=one-a>A</h3><p>More.<p>Before <a name=two></a>it.",
    }


def package(
    manifest: str, spine_items: str, *, spine: str = "", metadata: str = "", more: str = ""
) -> str:
    return f"""<?xml version="1.0" encoding="utf-8"?>
        <package xmlns="http://www.idpf.org/2007/opf" xmlns:opf="http://www.idpf.org/2007/opf">
        <metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title> The  Sea </dc:title>
        <dc:title>Another</dc:title><dc:creator id="a">Jane Doe</dc:creator>
        <dc:creator opf:role="aut">John Roe</dc:creator><dc:creator opf:role="ill">No</dc:creator>
        <dc:creator id="t">Nor I</dc:creator><meta refines="#t" property="role">trl</meta>
        <dc:language>en-GB</dc:language>{metadata}</metadata>
        <manifest>{manifest}</manifest><spine{spine}>{spine_items}</spine>{more}</package>"""


def document(body: str) -> str:
    return f"""<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html>
        <html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"
        xml:lang="en-GB"><head><title>Not this</title></head><body>{body}</body></html>"""


def write_epub(path: Path, parts: Mapping[str, str | bytes]) -> Path:
    """Write a book of these parts."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        for name, content in parts.items():
            archive.writestr(name, content)
    return path
