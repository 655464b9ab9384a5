"""Markdown: CommonMark with tables, footnotes and front matter."""

import re
from dataclasses import replace

from facade._book.flow import Document
from facade._book.html import read_html
from facade._extras import needs


def read_markdown(source: str, *, alt_texts: bool = False, keeps_lines: bool = False) -> Document:
    """Read a Markdown text.

    What stands in front of it between lines of `---` may have its title, author and language.

    Args:
        source: The text.
        alt_texts: Whether the alternative texts of images are read.
        keeps_lines: Whether each line of the source stays one.

    Raises:
        ImportError: The extra `book` is not installed.
    """
    try:
        from markdown_it import MarkdownIt
        from mdit_py_plugins.footnote import footnote_plugin
        from mdit_py_plugins.front_matter import front_matter_plugin
    except ImportError as error:
        raise ImportError(needs("Markdown", error.name, "book")) from error

    parser = MarkdownIt("commonmark", {"breaks": keeps_lines}).enable(["table", "strikethrough"])
    parser.use(front_matter_plugin).use(footnote_plugin)
    markup = parser.render(_HEADING_ATTRIBUTES.sub(r"\1", source))
    document = read_html(markup, alt_texts=alt_texts)
    matter = _FRONT_MATTER.match(source)
    fields = dict(_FIELD.findall(matter[1])) if matter else {}
    return replace(
        document,
        title=_value(fields, "title"),
        author=_value(fields, "author"),
        language=_value(fields, "lang") or _value(fields, "language"),
    )


# As pandoc has them: `# Preface {.unnumbered}`.
_HEADING_ATTRIBUTES = re.compile(r"^(#{1,6} .*?)[ \t]*\{[.#][^{}\n]*\}[ \t]*$", re.MULTILINE)
# Only what is a line of its own: no more of YAML is needed for these.
_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?\n)---[ \t]*(?:\n|\Z)", re.DOTALL)
_FIELD = re.compile(r"^(\w+)[ \t]*:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)


def _value(fields: dict[str, str], name: str) -> str | None:
    value = fields.get(name, "")
    is_quoted = len(value) > 1 and value[0] in "\"'" and value[-1] == value[0]
    return (value[1:-1] if is_quoted else value) or None
