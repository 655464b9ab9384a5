"""A Sphinx extension: what docstrings name leads to where it is documented."""

import re
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.domains.python import PyXRefRole
from sphinx.environment import BuildEnvironment

import facade
import together_emulator

_PACKAGES = {"facade": facade.__all__, "together_emulator": together_emulator.__all__}


class Name(PyXRefRole):
    """A name of ours, or any other code: what stands in backticks in a docstring."""

    def process_link(
        self,
        env: BuildEnvironment,
        refnode: nodes.Element,
        has_explicit_title: bool,
        title: str,
        target: str,
    ) -> tuple[str, str]:
        """Take `.wav` as it stands; Sphinx would look for anything that ends in it."""
        super().process_link(env, refnode, has_explicit_title, title, target.lstrip("."))
        return title, target


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the extension to a build."""
    app.add_role_to_domain("py", "name", Name())
    app.connect("autodoc-process-signature", _hide_private_arguments)
    app.connect("missing-reference", _resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _hide_private_arguments(
    app: Sphinx, what: str, name: str, item: object, options: object, signature: str, returns: str
) -> tuple[str, str] | None:
    """Show no arguments of a class that only this package makes."""
    used = re.findall(r"facade\.[\w.]*?(\w+)\b(?!\.)", signature or "")
    if what == "class" and not set(used) <= set(facade.__all__):
        return "", ""
    return None


def _resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.Node | None:
    """Find a public name by the module that it is defined in; other people's have no link."""
    if node["refdomain"] != "py":
        return None
    package, _, name = node["reftarget"].partition(".")
    last = name.rpartition(".")[2]
    if last not in _PACKAGES.get(package, ()):
        # What is in backticks need be no name of ours, and nothing of others' is linked to.
        return None if package == "facade" and node["reftype"] != "name" else content
    python = env.domains.python_domain
    target = f"{package}.{last}"
    return python.resolve_xref(env, node["refdoc"], app.builder, "obj", target, node, content)
