"""The optional C kernel; everything else stands in setup.cfg.

Without a compiler, or without Python's headers, the build goes on without it, and the library does the same in Python
(docs/decisions/0018-native-kernel.md).
"""

from setuptools import Extension, setup

NATIVE = "mailfilter/native"
NAMES = (
    "module", "ngrams", "views", "links", "domains", "relations", "headers", "mailboxes", "matcher", "automaton",
    "tags", "attributes", "anchors", "checks", "hidden", "html", "tidy", "rulehtml", "ruletext", "rulewords",
    "rulefacts", "rulefields",
)  # fmt: skip

setup(
    ext_modules=[
        Extension(
            "mailfilter._kernel",
            [f"{NATIVE}/{name}.c" for name in NAMES],
            depends=[f"{NATIVE}/kernel.h", f"{NATIVE}/html.h", f"{NATIVE}/rulehtml.h"],
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
